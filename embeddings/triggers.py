"""Database triggers that know, in the writer's own transaction, which vectors no longer match their text.

They run for every way of writing: the ORM, `update()`, COPY, raw SQL, a renamed category. All of them ask one
SQL function, `embeddings_digest`, what a product's text is; the encoder reads exactly those fields
(embeddings/documents.py).
"""

from typing import Any

import pgtrigger
from django.db import models

# Fields whose change changes the text that is embedded.
TEXT_FIELDS = ("name", "brand", "short_description", "description", "attributes", "category")
# Columns that are copied beside the vector, for filters.
COPIED_FIELDS = ("category", "price", "is_active", "brand", "attributes")

# A transaction that writes in bulk sets this (see `catalog.importer`); its rows wait behind live edits.
PRIORITY_SETTING = "nearshelf.priority"
_PRIORITY = f"coalesce(nullif(current_setting('{PRIORITY_SETTING}', true), ''), '0')::smallint"

FUNCTIONS_SQL = """
CREATE OR REPLACE FUNCTION public.embeddings_identity(
    name text, revision text, document_prompt text, template_version integer
) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT concat_ws(E'\\x1f', name, revision, document_prompt, template_version::text)
$$;

CREATE OR REPLACE FUNCTION public.embeddings_attribute_text(attributes jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- The same values as documents.attribute_text.
    SELECT CASE WHEN count(*) > 10 THEN '' ELSE coalesce(string_agg(a.value #>> '{}', ', ' ORDER BY a.place) FILTER (
        WHERE jsonb_typeof(a.value) = 'string' AND length(a.value #>> '{}') BETWEEN 1 AND 60), '') END
    FROM jsonb_each(CASE jsonb_typeof(attributes) WHEN 'object' THEN attributes ELSE '{}' END)
        WITH ORDINALITY AS a(key, value, place)
$$;

CREATE OR REPLACE FUNCTION public.embeddings_digest(
    identity text, name text, brand text, category text, short_description text, description text,
    attributes jsonb
) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT encode(sha256(convert_to(concat_ws(E'\\x1f', identity, coalesce(name, ''), coalesce(brand, ''),
        coalesce(category, ''), coalesce(short_description, ''), coalesce(description, ''),
        public.embeddings_attribute_text(attributes)), 'UTF8')), 'hex')
$$;
"""

COPY_FUNCTION_SQL = """
CREATE OR REPLACE FUNCTION public.embeddings_copy_filter_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Not together: where nothing but a price moves, no index is touched, and no hash is made.
    IF NEW.attributes IS DISTINCT FROM OLD.attributes THEN
        UPDATE public.embeddings_productembedding
        SET attribute_hashes = public.catalog_attribute_hashes(NEW.attributes), category_id = NEW.category_id,
            price = NEW.price, is_active = NEW.is_active, brand = NEW.brand
        WHERE product_id = NEW.id;
    ELSE
        UPDATE public.embeddings_productembedding
        SET category_id = NEW.category_id, price = NEW.price, is_active = NEW.is_active, brand = NEW.brand
        WHERE product_id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;
"""
DROP_COPY_FUNCTION_SQL = "DROP FUNCTION IF EXISTS public.embeddings_copy_filter_columns();"

DROP_FUNCTIONS_SQL = """
DROP FUNCTION IF EXISTS public.embeddings_digest(text, text, text, text, text, text, jsonb);
DROP FUNCTION IF EXISTS public.embeddings_attribute_text(jsonb);
DROP FUNCTION IF EXISTS public.embeddings_identity(text, text, text, integer);
"""


def digest_sql(model: str, product: str, category: str) -> str:
    """SQL for the digest of a product under a model, from the aliases of their rows."""
    fields = ", ".join(f"{product}.{name}" for name in ("short_description", "description", "attributes"))
    return (
        f"public.embeddings_digest(public.embeddings_identity({model}.name, {model}.revision,"
        f" {model}.document_prompt, {model}.template_version::integer),"
        f" {product}.name, {product}.brand, {category}, {fields})"
    )


# What a new text means for a row: fresh attempts, due now, and whoever is encoding the old text has no lease.
# A row that a model beside the active one is still to be filled with stays a row to fill: an edit must not make
# it a late edit, for which activation does not wait (embeddings/coverage.py).
_NEW_TEXT = f"""attempts = 0, last_error = '', lease_until = NULL,
    next_attempt_at = statement_timestamp(), wanted_at = statement_timestamp(),
    priority = CASE WHEN m.state = 'building' AND e.priority > 0
        AND e.stored_digest IS DISTINCT FROM e.wanted_digest THEN e.priority ELSE {_PRIORITY} END"""

# FOR SHARE: a rename of the category that runs at the same time waits for this product, or is waited for.
_CATEGORY_NAME = (
    """SELECT full_name INTO category_name FROM catalog_category WHERE id = NEW.category_id FOR SHARE;"""
)


class LeanTrigger(pgtrigger.Trigger):
    """A trigger that runs a function of ours as it is.

    Functions that pgtrigger writes ask first whether they are to be ignored, which takes a savepoint: a fifth of what
    a change of price costs here.
    """

    def __init__(self, *, function: str, **options: Any) -> None:
        super().__init__(func="RETURN NULL;", **options)
        self.function = function

    def render_execute(self, model: models.Model) -> str:
        """What PostgreSQL runs."""
        return f"{self.function}()"


ON_PRODUCT = [
    pgtrigger.Trigger(
        name="want_new_product",
        when=pgtrigger.After,
        operation=pgtrigger.Insert,
        declare=[("category_name", "text")],
        func=f"""
            {_CATEGORY_NAME}
            INSERT INTO embeddings_productembedding
                (product_id, model_id, wanted_digest, category_id, price, is_active, brand, attribute_hashes, priority)
            SELECT NEW.id, m.id, {digest_sql("m", "NEW", "category_name")}, NEW.category_id, NEW.price,
                NEW.is_active, NEW.brand, public.catalog_attribute_hashes(NEW.attributes), {_PRIORITY}
            FROM embeddings_embeddingmodel AS m WHERE m.state IN ('active', 'building')
            ON CONFLICT DO NOTHING;
            RETURN NULL;
        """,
    ),
    pgtrigger.Trigger(
        name="want_new_text",
        when=pgtrigger.After,
        operation=pgtrigger.Update,
        condition=pgtrigger.AnyChange(*TEXT_FIELDS),
        declare=[("category_name", "text")],
        func=f"""
            {_CATEGORY_NAME}
            UPDATE embeddings_productembedding AS e
            SET wanted_digest = {digest_sql("m", "NEW", "category_name")}, {_NEW_TEXT}
            FROM embeddings_embeddingmodel AS m
            WHERE e.product_id = NEW.id AND m.id = e.model_id AND m.state IN ('active', 'building')
                AND e.wanted_digest <> {digest_sql("m", "NEW", "category_name")};
            RETURN NULL;
        """,
    ),
    LeanTrigger(
        # Fires after want_new_text, as triggers go by name: every writer locks the category before the vector's
        # row, as a rename does, so that the two wait for each other and never deadlock.
        name="write_filter_columns",
        when=pgtrigger.After,
        operation=pgtrigger.Update,
        condition=pgtrigger.AnyChange(*COPIED_FIELDS),
        function="public.embeddings_copy_filter_columns",
    ),
    pgtrigger.Trigger(
        name="drop_vectors",
        when=pgtrigger.Before,
        operation=pgtrigger.Delete,
        func="""
            DELETE FROM embeddings_productembedding WHERE product_id = OLD.id;
            RETURN OLD;
        """,
    ),
]

ON_CATEGORY = [
    pgtrigger.Trigger(
        name="want_renamed",
        when=pgtrigger.After,
        operation=pgtrigger.Update,
        condition=pgtrigger.AnyChange("full_name"),
        func=f"""
            UPDATE embeddings_productembedding AS e
            SET wanted_digest = {digest_sql("m", "p", "NEW.full_name")}, {_NEW_TEXT}
            FROM embeddings_embeddingmodel AS m, catalog_product AS p
            WHERE p.category_id = NEW.id AND e.product_id = p.id AND m.id = e.model_id
                -- Checked again when the row was waited for: a product that moved away at the same time is left out.
                AND e.category_id = NEW.id
                AND m.state IN ('active', 'building');
            RETURN NULL;
        """,
    ),
]

_IDENTITY_FIELDS = ("name", "revision", "document_prompt", "template_version")


def _identity_of(model: str) -> str:
    """SQL row of what makes a model's texts its own."""
    return "ROW(" + ", ".join(f"{model}.{name}" for name in _IDENTITY_FIELDS) + ")"


ON_EMBEDDING_MODEL = [
    # While a model was retired nobody noted new products and texts: see embeddings/coverage.py.
    pgtrigger.Trigger(
        name="check_rows_again",
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        condition=pgtrigger.AnyChange(*_IDENTITY_FIELDS, "state"),
        func=f"""
            IF OLD.state = 'retired' OR {_identity_of("OLD")} <> {_identity_of("NEW")} THEN
                NEW.rows_checked_at := NULL;
            END IF;
            RETURN NEW;
        """,
    ),
    # A model whose text template moved on wants every text anew.
    pgtrigger.Trigger(
        name="want_model_texts",
        when=pgtrigger.After,
        operation=pgtrigger.Update,
        condition=pgtrigger.AnyChange(*_IDENTITY_FIELDS),
        func=f"""
            IF NEW.state = 'retired' THEN
                RETURN NULL;
            END IF;
            UPDATE embeddings_productembedding AS e
            SET wanted_digest = {digest_sql("NEW", "p", "c.full_name")}, attempts = 0, last_error = '',
                lease_until = NULL, next_attempt_at = statement_timestamp(), wanted_at = statement_timestamp(),
                priority = 1
            FROM catalog_product AS p LEFT JOIN catalog_category AS c ON c.id = p.category_id
            WHERE e.model_id = NEW.id AND p.id = e.product_id
                AND e.wanted_digest <> {digest_sql("NEW", "p", "c.full_name")};
            RETURN NULL;
        """,
    ),
]
