"""Models side by side: add one, let it fill up, make it the active one, go back, take one away.

Search reads which model is active once per query, so a switch is one transaction and every query is answered
from one model's vectors. The model that was active before is kept up to date until it is retired: going back is
another switch.
"""

import time

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from embeddings import coverage, indexes, locks, model_files
from embeddings.documents import TEMPLATE_VERSION
from embeddings.encoders import load_encoder
from embeddings.exceptions import ActivationError, ModelStateError
from embeddings.models import MAX_DIMENSIONS, EmbeddingModel

State = EmbeddingModel.State

# How long adding and reviving a model wait for transactions that do not know of it yet; after that a worker
# sees to the rows they leave behind.
PATIENCE_S = 30.0
REMOVE_BATCH = 5_000
FOLDERS_REFUSED = (
    "Give the model's name on the model hub, such as intfloat/e5-small-v2. Only superusers may name a folder."
)
_POLL_S = 0.25


def add_model(
    name: str, revision: str = "", query_prompt: str = "", document_prompt: str = "", folders: bool = True
) -> EmbeddingModel:
    """Load a model, add its row in the state `building`, and rows for all products.

    Workers fill it from then on. Raises ModelUnavailableError when it cannot be loaded and ModelStateError when
    it cannot be used here or is there already; without `folders` also when `name` is not one of the model hub.
    """
    if not folders and model_files.names_folder(name):
        raise ModelStateError(FOLDERS_REFUSED)
    name = model_files.full_name(name)
    encoder = load_encoder(name, revision)
    if not 1 <= encoder.dimensions <= MAX_DIMENSIONS:
        raise ModelStateError(
            f"{name} makes vectors of {encoder.dimensions:,} dimensions; the index takes at most "
            f"{MAX_DIMENSIONS:,}. Choose another model."
        )
    try:
        with transaction.atomic():
            model = EmbeddingModel.objects.create(
                name=name,
                revision=revision,
                dimensions=encoder.dimensions,
                query_prompt=query_prompt,
                document_prompt=document_prompt,
                template_version=TEMPLATE_VERSION,
                state=State.BUILDING,
            )
    except IntegrityError as error:
        twin = twin_of(name, revision, query_prompt, document_prompt)
        raise ModelStateError(twin_sentence(twin) if twin else f"{name} is there already.") from error
    coverage.complete(model, PATIENCE_S)
    return model


def twin_of(
    name: str, revision: str = "", query_prompt: str = "", document_prompt: str = ""
) -> EmbeddingModel | None:
    """The model that makes the very same vectors, or None."""
    return EmbeddingModel.objects.filter(
        name=name,
        revision=revision,
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        template_version=TEMPLATE_VERSION,
    ).first()


def twin_sentence(twin: EmbeddingModel) -> str:
    """Why a model is not added a second time."""
    return f"{twin.name} is there already, as model {twin.pk} ({twin.state})."


def build_model(model: EmbeddingModel) -> None:
    """Bring a retired model back to `building`, its rows in step with the products. Workers fill it.

    Raises ModelStateError for one that is being removed.
    """
    revive_model(model)
    coverage.complete(model, PATIENCE_S)


def revive_model(model: EmbeddingModel) -> None:
    """Like `build_model`, but leave it all to the workers."""
    staying = EmbeddingModel.objects.filter(pk=model.pk, removal_wanted_at=None)
    staying.filter(state=State.RETIRED).update(state=State.BUILDING)
    if not staying.exists():
        raise ModelStateError(f"{model} is being removed. Add it anew.")
    model.refresh_from_db()


def obstacles(model: EmbeddingModel) -> list[str]:
    """What speaks against making a model the active one, as sentences; empty where nothing does."""
    if model.state == State.RETIRED:
        return [f"It is retired. Bring it back with `manage.py embedding_models build {model.pk}`."]
    found = []
    if gaps := coverage.lasting_gaps(model):
        figures = ", ".join(f"{count:,} {name}" for name, count in gaps.items())
        found.append(f"Not every product has its vector: {figures}.")
    elif model.rows_checked_at is None:
        found.append(
            "Its rows are still being checked: a worker does so within seconds, or when the transactions have "
            "ended that began before the model was there."
        )
    index = indexes.state(model)
    if not index["valid"]:
        found.append(f"Its index is {'invalid' if index['exists'] else 'missing'}.")
    return found


def prepare_activation(model: EmbeddingModel, wait_s: float = 0.0) -> None:
    """Do what stands between a filled model and its activation: wait for its last vectors, build the index.

    Must run outside a transaction. Waits at most `wait_s` seconds for coverage, though not for live edits of the
    last moments; the index is built only when every other product has its vector.
    """
    deadline = time.monotonic() + wait_s
    complete = coverage.complete(model)
    while (gaps := coverage.lasting_gaps(model)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    if complete and not gaps and model.state != State.RETIRED:
        indexes.build(model)


def activate_model(model: EmbeddingModel, force: bool = False) -> EmbeddingModel | None:
    """Make a model the one that search uses, in one step; return the one that was.

    That one becomes `building`: kept up to date, until someone retires it. Raises ActivationError with all that
    is missing unless `force`; a retired model is never activated.
    """
    with transaction.atomic():
        # Ordered, so that two switches at a time wait for each other; products may be written meanwhile.
        states = dict(
            EmbeddingModel.objects.select_for_update(no_key=True).order_by("pk").values_list("pk", "state")
        )
        if model.pk not in states:
            raise ActivationError("The model is gone.")
        model.refresh_from_db()
        if model.state == State.ACTIVE:
            return None
        reasons = obstacles(model)
        if reasons and (model.state == State.RETIRED or not force):
            raise ActivationError(f"{model} cannot be activated. " + " ".join(reasons))
        former = EmbeddingModel.objects.filter(state=State.ACTIVE).first()
        EmbeddingModel.objects.filter(state=State.ACTIVE).update(state=State.BUILDING)
        EmbeddingModel.objects.filter(pk=model.pk).update(state=State.ACTIVE)
    model.state = State.ACTIVE
    return former


def retire_model(model: EmbeddingModel) -> None:
    """Stop keeping a model's vectors up to date; they and the index stay. Raises ModelStateError."""
    retired = EmbeddingModel.objects.filter(pk=model.pk).exclude(state=State.ACTIVE)
    if not retired.update(state=State.RETIRED):
        raise ModelStateError(f"{model} is the active model. Activate another one first.")
    model.state = State.RETIRED


def want_removal(model: EmbeddingModel) -> None:
    """Have a worker remove a retired model. Raises ModelStateError for another, or where that is asked already."""
    retired = EmbeddingModel.objects.filter(pk=model.pk, state=State.RETIRED, removal_wanted_at=None)
    if not retired.update(removal_wanted_at=timezone.now()):
        raise ModelStateError(f"{model} is not retired, or is being removed already.")


def remove_model(model: EmbeddingModel, wait_s: float | None = None) -> int:
    """Delete a model with its index and vectors, in batches; return how many vectors.

    Must run outside a transaction. Raises ModelStateError for the active model. Stopped half-way, it leaves the
    model retired and can be called again: also where a transaction stays open that knows it as a live one, and
    would fail if the model were gone when it commits. Waits for such transactions, and for whoever builds an
    index (IndexBusyError), at most `wait_s` seconds where it is given.
    """
    retire_model(model)
    if not locks.wait_for_older_writers(PATIENCE_S if wait_s is None else wait_s):
        raise ModelStateError(
            f"A transaction that may still write vectors of {model} is open. The model is retired; remove it later."
        )
    indexes.drop(model, indexes.WAIT_S if wait_s is None else wait_s)
    deleted = 0
    while count := _delete_rows(model):
        deleted += count
    model.delete()  # and with it the few rows that were locked
    return deleted


def _delete_rows(model: EmbeddingModel) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM embeddings_productembedding WHERE id IN (
                SELECT id FROM embeddings_productembedding WHERE model_id = %s
                LIMIT %s FOR UPDATE SKIP LOCKED
            )""",
            [model.pk, REMOVE_BATCH],
        )
        return cursor.rowcount
