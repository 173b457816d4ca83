"""Takes away what a test committed."""

from django.db import connection
from django.test import TransactionTestCase

from embeddings.model_files import PACKAGED_MODEL
from embeddings.models import DEFAULT_DIMENSIONS, DEFAULT_MODEL_ID, EmbeddingModel

# Tables that migrations and Django fill, and that no test that commits writes to.
_KEPT = (
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "django_migrations",
)

_EMPTY_SQL = """
DO $$
DECLARE
    written text;
BEGIN
    SELECT string_agg(format('%%I', relname), ', ') INTO written
    FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
        AND relname <> ALL (%s);
    IF written IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || written || ' CASCADE';
    END IF;
END
$$
"""


def empty_tables() -> None:
    """Empty the tables that were written to, with their indexes: what was deleted leaves nothing either.

    The default model is put back, as the migrations make it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_EMPTY_SQL, [list(_KEPT)])
    EmbeddingModel.objects.get_or_create(
        pk=DEFAULT_MODEL_ID,
        defaults={
            "name": PACKAGED_MODEL,
            "dimensions": DEFAULT_DIMENSIONS,
            "state": EmbeddingModel.State.ACTIVE,
        },
    )


def install() -> None:
    """Have it done after every test that commits.

    Django's flush empties all tables, which takes ten times as long, and makes the permissions anew.
    """
    TransactionTestCase._fixture_teardown = lambda case: empty_tables()  # type: ignore[attr-defined]
