"""Models that someone asked for in the admin, until a worker has loaded and added them.

Loading takes seconds, or minutes where a model is fetched from the hub, and hundreds of megabytes: nothing for a web
process.
"""

from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from embeddings import locks, model_registry
from embeddings.exceptions import EmbeddingError
from embeddings.models import EmbeddingModel, ModelAddition

INTERRUPTED = (
    "A worker began to load it and ended before it was done. Add it again; if that happens once more, the worker's "
    "machine may have too little memory for it."
)
MAX_ERROR_LENGTH = 2000


def ask(addition: ModelAddition) -> None:
    """Have a worker add a model; an earlier try that failed is forgotten. Raises IntegrityError for a twin."""
    with transaction.atomic():
        ModelAddition.objects.failed().same_as(addition).delete()
        addition.save(force_insert=True)


def already(name: str) -> str:
    """Why nobody is asked once more."""
    return f"A worker is asked to add {name} already."


def work() -> None:
    """Load and add what was asked for, one after the other, in one worker at a time. Must run outside a transaction."""
    if not ModelAddition.objects.open().exists():
        return
    with locks.advisory(locks.ADDITIONS) as free:
        while free and (addition := ModelAddition.objects.open().select_related("user").first()):
            _add(addition)


def _add(addition: ModelAddition) -> None:
    """Add the model and delete the row, or note why not."""
    if addition.begun_at is not None:
        # The lock is free: whoever began is gone, and may have died of it.
        _refuse(addition, INTERRUPTED)
        return
    if not ModelAddition.objects.filter(pk=addition.pk).update(begun_at=timezone.now()):
        return  # withdrawn at this moment
    try:
        model = model_registry.add_model(
            addition.name,
            addition.revision,
            addition.query_prompt,
            addition.document_prompt,
            folders=may_name_folders(addition.user),
        )
    except EmbeddingError as error:
        _refuse(addition, str(error))
        return
    if addition.user is not None:
        LogEntry.objects.log_actions(
            addition.user.pk,
            EmbeddingModel.objects.filter(pk=model.pk),
            ADDITION,
            change_message="Added: a worker has loaded it.",
            single_object=True,
        )
    ModelAddition.objects.filter(pk=addition.pk).delete()


def _refuse(addition: ModelAddition, error: str) -> None:
    ModelAddition.objects.filter(pk=addition.pk).update(error=error[:MAX_ERROR_LENGTH])


def may_name_folders(user: AbstractBaseUser | None) -> bool:
    """Whether someone may have a folder of the server read as a model: superusers."""
    return user is not None and user.is_active and bool(getattr(user, "is_superuser", False))
