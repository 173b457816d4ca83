"""Groups for the shop's staff. Made once: whoever changes them afterwards in the admin keeps the change."""

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

_VIEW = [
    "catalog.view_category",
    "catalog.view_product",
    "embeddings.view_embeddingmodel",
    "embeddings.view_embeddingrun",
    "embeddings.view_productembedding",
]
_CATALOGUE = [
    f"catalog.{action}_{model}" for action in ("add", "change", "delete") for model in ("category", "product")
]
_PIPELINE = [
    "embeddings.add_embeddingrun",
    "embeddings.change_embeddingrun",
    "embeddings.change_productembedding",
    "embeddings.change_embeddingmodel",
]
ROLES = {
    "Viewer": _VIEW,
    "Merchandiser": [*_VIEW, *_CATALOGUE],
    "Operator": [*_VIEW, *_PIPELINE],
}


def make_roles(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the groups that are missing, each with its permissions."""
    # Django makes permissions after all migrations; on a new database they are wanted earlier.
    for label in ("catalog", "embeddings"):
        app = apps.get_app_config(label)
        app.models_module = True  # what says that an app has models; the apps of migrations lack it
        create_permissions(app, verbosity=0, apps=apps)
        del app.models_module
    Permission = apps.get_model("auth", "Permission")
    for name, wanted in ROLES.items():
        group, made = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        if not made:
            continue
        for permission in wanted:
            label, codename = permission.split(".")
            found = Permission.objects.get(content_type__app_label=label, codename=codename)
            group.permissions.add(found)


class Migration(migrations.Migration):

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("catalog", "0002_sku_in_addresses"),
        ("embeddings", "0005_dashboard_indexes"),
    ]

    # Going back leaves the groups: staff may be in them.
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
