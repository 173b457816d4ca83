"""Rules that curate results, synonyms that are unique whatever their case, and who may change them."""

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
import django.core.validators
import django.db.models.constraints
import django.db.models.deletion
import django.db.models.functions.text
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

# Rows that say the same in another case become one; what says nothing goes.
TIDY_SYNONYMS_SQL = """
UPDATE search_synonym AS s SET both_ways = true
WHERE NOT both_ways AND EXISTS (
    SELECT FROM search_synonym AS o
    WHERE o.both_ways AND lower(o.term) = lower(s.term) AND lower(o.means) = lower(s.means));
DELETE FROM search_synonym AS s
WHERE upper(term) = upper(means) OR term ~ '^\\s*$' OR means ~ '^\\s*$' OR EXISTS (
    SELECT FROM search_synonym AS o
    WHERE o.id < s.id AND lower(o.term) = lower(s.term) AND lower(o.means) = lower(s.means));
"""

_MODELS = ("synonym", "curationrule", "curationaction")
_VIEW = [f"view_{model}" for model in _MODELS]
_CHANGE = [f"{action}_{model}" for action in ("add", "change", "delete") for model in _MODELS]
PERMISSIONS = {"Viewer": _VIEW, "Merchandiser": [*_VIEW, *_CHANGE], "Operator": _VIEW}


def grant(apps: Apps, schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    """Give the groups that are there their part in merchandising; a group that the shop has removed stays away."""
    app = apps.get_app_config("search")
    app.models_module = True  # what says that an app has models; the apps of migrations lack it
    create_permissions(app, verbosity=0, apps=apps)
    del app.models_module
    permissions = apps.get_model("auth", "Permission").objects.filter(content_type__app_label="search")
    for group in apps.get_model("auth", "Group").objects.filter(name__in=PERMISSIONS):
        group.permissions.add(*permissions.filter(codename__in=PERMISSIONS[group.name]))


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
        ('embeddings', '0006_roles'),
        ('catalog', '0003_indexes_for_filters'),
        ('search', '0002_analytics'),
    ]

    operations = [
        migrations.RunSQL(TIDY_SYNONYMS_SQL, migrations.RunSQL.noop),
        migrations.CreateModel(
            name='CurationAction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('pin', 'Pin to a position'), ('boost', 'Boost'), ('bury', 'Bury'), ('hide', 'Hide')], default='pin', max_length=5, verbose_name='action')),
                ('brand', models.CharField(blank=True, default='', help_text='Exactly as products have it.', max_length=120)),
                ('position', models.PositiveSmallIntegerField(blank=True, help_text='Of a pin: 1 is the first place, 100 the last.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100)])),
                ('factor', models.FloatField(blank=True, help_text='The score is multiplied by it: above 1 for a boost (empty: 2), below 1 for a bury (empty: 0.5).', null=True, validators=[django.core.validators.MinValueValidator(0.01), django.core.validators.MaxValueValidator(10.0)], verbose_name='strength')),
            ],
            options={
                'verbose_name': 'action',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='CurationRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='For you and your colleagues. Explanations of results show it, to visitors too.', max_length=120)),
                ('note', models.TextField(blank=True, default='', help_text='Why it is there. Only staff see this.', max_length=2000)),
                ('query', models.CharField(blank=True, default='', help_text='What customers type; case, accents, punctuation and the number of spaces do not matter. Leave it empty for a rule about a category alone.', max_length=200)),
                ('match', models.CharField(choices=[('exact', 'is exactly'), ('contains', 'contains the words')], default='exact', help_text='“Contains the words” holds when a query has all of these words, in any order. Where the query is empty, “is exactly” is for browsing the category without typing anything, “contains the words” also for everything that is searched within it.', max_length=10)),
                ('valid_from', models.DateTimeField(blank=True, help_text='Empty: at once.', null=True)),
                ('valid_to', models.DateTimeField(blank=True, help_text='Empty: without an end.', null=True, verbose_name='valid until')),
                ('is_active', models.BooleanField(default=True, verbose_name='switched on')),
                ('priority', models.SmallIntegerField(default=0, help_text='Where two rules want the same position, the one with the higher number has it, the other one the next free position.')),
            ],
            options={
                'verbose_name': 'curation rule',
                'ordering': ['-priority', 'id'],
            },
        ),
        migrations.CreateModel(
            name='RulebookChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('changed_at', models.DateTimeField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.RemoveConstraint(
            model_name='synonym',
            name='synonym_unique',
        ),
        migrations.AlterField(
            model_name='synonym',
            name='both_ways',
            field=models.BooleanField(default=True, help_text='Also find the first for the second. Leave this out where the second is wider: somebody who types “ultrabook” means a laptop, but not everybody who types “laptop” means an ultrabook.'),
        ),
        migrations.AlterField(
            model_name='synonym',
            name='term',
            field=models.CharField(help_text='What customers type, such as “telly”. Several words are found where they follow each other.', max_length=100),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='synonym',
            trigger=pgtrigger.compiler.Trigger(name='synonym_changes_rulebook', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n            INSERT INTO search_rulebookchange AS c (id, changed_at) VALUES (1, clock_timestamp())\n            ON CONFLICT (id) DO UPDATE SET changed_at = clock_timestamp();\n            RETURN NULL;\n        ', hash='328508dedd9fe86a909bb757ddd828c1b7093a67', level='STATEMENT', operation='INSERT OR UPDATE OR DELETE', pgid='pgtrigger_synonym_changes_rulebook_f511d', table='search_synonym', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='synonym',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('term'), django.db.models.functions.text.Lower('means'), name='synonym_unique', violation_error_message='There is this synonym already.'),
        ),
        migrations.AddConstraint(
            model_name='synonym',
            constraint=models.CheckConstraint(condition=models.Q(('term__iexact', models.F('means')), _negated=True), name='synonym_not_of_itself', violation_error_message='A word is no synonym of itself.'),
        ),
        migrations.AddConstraint(
            model_name='synonym',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('term__regex', '^\\s*$'), _negated=True), models.Q(('means__regex', '^\\s*$'), _negated=True)), name='synonym_not_blank'),
        ),
        migrations.AddField(
            model_name='curationaction',
            name='category',
            field=models.ForeignKey(blank=True, help_text='With everything below it.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='curation_actions', to='catalog.category'),
        ),
        migrations.AddField(
            model_name='curationaction',
            name='product',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='curation_actions', to='catalog.product'),
        ),
        migrations.CreateModel(
            name='CurationUse',
            fields=[
                ('rule', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='use', serialize=False, to='search.curationrule')),
                ('searches', models.BigIntegerField(default=0)),
                ('last_used_at', models.DateTimeField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='curationrule',
            name='category',
            field=models.ForeignKey(blank=True, help_text='Only where customers filter by this very category.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='curation_rules', to='catalog.category'),
        ),
        migrations.AddField(
            model_name='curationaction',
            name='rule',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='actions', to='search.curationrule'),
        ),
        migrations.AddConstraint(
            model_name='curationrule',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('query', ''), _negated=True), ('category__isnull', False), _connector='OR'), name='curation_rule_has_trigger', violation_error_message='Say for which query or for which category the rule is.'),
        ),
        migrations.AddConstraint(
            model_name='curationrule',
            constraint=models.CheckConstraint(condition=models.Q(('valid_from__isnull', True), ('valid_to__isnull', True), ('valid_from__lt', models.F('valid_to')), _connector='OR'), name='curation_rule_ends_after_it_begins', violation_error_message='The rule must end after it begins.'),
        ),
        migrations.AddConstraint(
            model_name='curationrule',
            constraint=models.CheckConstraint(condition=models.Q(('match__in', ['exact', 'contains'])), name='curation_rule_match'),
        ),
        migrations.AddConstraint(
            model_name='curationrule',
            constraint=models.CheckConstraint(condition=models.Q(('name__regex', '^\\s*$'), _negated=True), name='curation_rule_name_not_blank'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='curationrule',
            trigger=pgtrigger.compiler.Trigger(name='curationrule_changes_rulebook', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n            INSERT INTO search_rulebookchange AS c (id, changed_at) VALUES (1, clock_timestamp())\n            ON CONFLICT (id) DO UPDATE SET changed_at = clock_timestamp();\n            RETURN NULL;\n        ', hash='d883f291095f68f92f1b3f68d5e2faae3809fea4', level='STATEMENT', operation='INSERT OR UPDATE OR DELETE', pgid='pgtrigger_curationrule_changes_rulebook_754ed', table='search_curationrule', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='curationaction',
            constraint=models.UniqueConstraint(deferrable=django.db.models.constraints.Deferrable['DEFERRED'], fields=('rule', 'position'), name='curation_action_position_unique'),
        ),
        migrations.AddConstraint(
            model_name='curationaction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('factor', None), ('kind', 'pin'), ('position__isnull', False), ('position__range', (1, 100)), ('product__isnull', False)), models.Q(('factor__gt', 1), ('factor__isnull', False), ('factor__lte', 10.0), ('kind', 'boost'), ('position', None)), models.Q(('factor__gte', 0.01), ('factor__isnull', False), ('factor__lt', 1), ('kind', 'bury'), ('position', None)), models.Q(('factor', None), ('kind', 'hide'), ('position', None)), _connector='OR'), name='curation_action_is_whole'),
        ),
        migrations.AddConstraint(
            model_name='curationaction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('brand', ''), ('category', None), ('product__isnull', False)), models.Q(('brand', ''), ('category__isnull', False), ('product', None)), models.Q(('category', None), ('product', None), models.Q(('brand', ''), _negated=True)), _connector='OR'), name='curation_action_has_one_target'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='curationaction',
            trigger=pgtrigger.compiler.Trigger(name='curationaction_changes_rulebook', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n            INSERT INTO search_rulebookchange AS c (id, changed_at) VALUES (1, clock_timestamp())\n            ON CONFLICT (id) DO UPDATE SET changed_at = clock_timestamp();\n            RETURN NULL;\n        ', hash='b048fa26dc8f6b34753ab30cdcf2cd3a3ef0d0e2', level='STATEMENT', operation='INSERT OR UPDATE OR DELETE', pgid='pgtrigger_curationaction_changes_rulebook_5136b', table='search_curationaction', when='AFTER')),
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
