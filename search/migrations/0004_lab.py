import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
from django.apps.registry import Apps
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

_VIEW = ["view_judgmentlist", "view_judgment", "view_evaluationrun"]
_JUDGE = [
    *(f"{action}_{model}" for action in ("add", "change", "delete") for model in ("judgmentlist", "judgment")),
    "add_evaluationrun",
    "change_evaluationrun",
]
GRANTS = {"Viewer": _VIEW, "Merchandiser": [*_VIEW, *_JUDGE], "Operator": [*_VIEW, *_JUDGE]}


def grant(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Let the groups that come with the shop use the lab, where they are still there."""
    # Django makes permissions after all migrations; on a new database they are wanted earlier.
    app = apps.get_app_config("search")
    app.models_module = True  # what says that an app has models; the apps of migrations lack it
    create_permissions(app, verbosity=0, apps=apps)
    del app.models_module
    Permission = apps.get_model("auth", "Permission")
    for name, codenames in GRANTS.items():
        for group in apps.get_model("auth", "Group").objects.filter(name=name):
            group.permissions.add(
                *Permission.objects.filter(content_type__app_label="search", codename__in=codenames)
            )


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
        ('embeddings', '0006_roles'),
        ('search', '0003_merchandising'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='JudgmentList',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True)),
                ('note', models.TextField(blank=True, default='', help_text='What these queries stand for.', max_length=2000)),
                ('created_at', models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='EvaluationRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('variants', models.JSONField()),
                ('started_at', models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ('claim', models.PositiveIntegerField(db_default=0, default=0)),
                ('lease_until', models.DateTimeField(null=True)),
                ('attempts', models.PositiveSmallIntegerField(db_default=0, default=0)),
                ('cancelled_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('error', models.TextField(blank=True, db_default='', default='')),
                ('report', models.JSONField(blank=True, default=dict)),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('list', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='search.judgmentlist')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Lab',
            fields=[
            ],
            options={
                'verbose_name_plural': 'search lab',
                'proxy': True,
                'default_permissions': (),
                'indexes': [],
                'constraints': [],
            },
            bases=('search.judgmentlist',),
        ),
        migrations.CreateModel(
            name='EvaluatedQuery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('query', models.CharField(max_length=512)),
                ('judged', models.JSONField()),
                ('measured', models.JSONField(null=True)),
                ('run', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='queries', to='search.evaluationrun')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('run', 'query'), name='one_evaluated_query_per_run')],
            },
        ),
        migrations.CreateModel(
            name='Judgment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('query', models.CharField(max_length=512)),
                ('sku', models.CharField(max_length=64, verbose_name='SKU')),
                ('grade', models.PositiveSmallIntegerField(choices=[(0, '0 – irrelevant'), (1, '1 – somewhat relevant'), (2, '2 – good'), (3, '3 – just right')])),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now)),
                ('by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('list', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='judgments', to='search.judgmentlist')),
            ],
            options={
                'ordering': ['list', 'query', '-grade', 'sku'],
                'constraints': [models.UniqueConstraint(fields=('list', 'query', 'sku'), name='one_judgment_per_query_and_product'), models.CheckConstraint(condition=models.Q(('grade__lte', 3)), name='judgment_grade')],
            },
        ),
        migrations.AddIndex(
            model_name='evaluationrun',
            index=models.Index(condition=models.Q(('finished_at__isnull', True)), fields=['id'], name='evaluation_run_open'),
        ),
        migrations.AddConstraint(
            model_name='evaluationrun',
            constraint=models.CheckConstraint(condition=models.Q(('cancelled_at__isnull', True), ('finished_at__isnull', False), _connector='OR'), name='a_cancelled_evaluation_is_finished'),
        ),
        # Going back leaves permissions, which mean nothing without their models.
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
