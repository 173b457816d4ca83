"""How a product becomes a vector."""

from django.apps import AppConfig


class EmbeddingsConfig(AppConfig):
    """Models, text, encoders, the pipeline, jobs and status."""

    name = "embeddings"
    verbose_name = "Embeddings"

    def ready(self) -> None:
        """Connect the signals and register the system checks."""
        from embeddings import checks, signals  # noqa: F401
