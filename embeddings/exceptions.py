"""What can go wrong between a product and its vector."""


class EmbeddingError(Exception):
    """Base of all errors of this app; the message says what to do next."""


class ModelUnavailableError(EmbeddingError):
    """The embedding model cannot be loaded or run at all: files missing, out of memory, device gone."""


class DimensionMismatchError(ModelUnavailableError):
    """The model makes vectors of another length than its row says."""


class ModelStateError(EmbeddingError):
    """The model's state does not allow what was asked for."""


class IndexBusyError(EmbeddingError):
    """Another process is building or dropping an index; two at a time would wait for each other."""


class ActivationError(EmbeddingError):
    """A model cannot be made the active one as things are."""
