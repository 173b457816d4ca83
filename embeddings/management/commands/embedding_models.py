"""`manage.py embedding_models`: try another model beside the active one, switch to it, go back."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django_rich.management import RichCommand
from rich.table import Table

from embeddings import coverage, indexes, model_registry, status
from embeddings.exceptions import EmbeddingError
from embeddings.models import EmbeddingModel

DEFAULT_WAIT_S = 10.0


class Command(RichCommand):
    """One subcommand for each step of a model's life."""

    help = "Manage embedding models side by side: search uses the active one, and never goes empty or down."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        commands.add_parser("list", help="show all models")
        add = commands.add_parser("add", help="add a model beside the active one")
        add.add_argument("name", help="sentence-transformers name, or path of a folder")
        add.add_argument("--revision", default="", help="commit, tag or branch on the model hub")
        add.add_argument("--query-prompt", default="", help='text put before each query, such as "query: "')
        add.add_argument("--document-prompt", default="", help="text put before each product's text")
        for action, what in (
            ("build", "bring a retired model back, and build its index once it is filled"),
            ("index", "build a model's index if it is missing or invalid"),
            ("activate", "have search use a model; the former one is kept up to date"),
            ("retire", "stop keeping a model's vectors up to date, and keep them"),
            ("remove", "delete a model with its vectors and index"),
        ):
            command = commands.add_parser(action, help=what)
            command.add_argument("id", type=int, help="see `embedding_models list`")
            if action == "index":
                command.add_argument("--rebuild", action="store_true", help="also where it is valid")
            if action == "activate":
                command.add_argument("--force", action="store_true", help="also where vectors are missing")
                command.add_argument(
                    "--wait",
                    type=float,
                    default=DEFAULT_WAIT_S,
                    metavar="SECONDS",
                    help=f"how long to wait for the last products to be embedded ({DEFAULT_WAIT_S:g})",
                )

    def handle(self, *args: Any, **options: Any) -> None:
        """See BaseCommand."""
        try:
            getattr(self, f"_{options['action']}")(options)
        except EmbeddingError as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        table = Table(title="Embedding models")
        for column in ("Id", "Model", "State", "Dimensions", "Ready", "Not ready", "HNSW index"):
            table.add_column(
                column, justify="right" if column in ("Dimensions", "Ready", "Not ready") else "left"
            )
        for model in EmbeddingModel.objects.order_by("pk"):
            ready, gaps = status.counts(model)["ready"], sum(coverage.gaps(model).values())
            index = indexes.state(model)
            health = "valid" if index["valid"] else "invalid" if index["exists"] else "missing"
            figures = (f"{model.dimensions:,}", f"{ready:,}", f"{gaps:,}")
            table.add_row(str(model.pk), model.name, model.state, *figures, health)
        self.console.print(table)

    def _add(self, options: dict[str, Any]) -> None:
        model = model_registry.add_model(
            options["name"], options["revision"], options["query_prompt"], options["document_prompt"]
        )
        self._say_filling(model, "added")

    def _build(self, options: dict[str, Any]) -> None:
        model = self._model(options)
        model_registry.build_model(model)
        if coverage.gaps(model):
            self._say_filling(model, "being built")
        else:
            indexes.build(model)
            self.stdout.write(f"Model {model.pk}, {model}, is complete and has its index.")

    def _say_filling(self, model: EmbeddingModel, what: str) -> None:
        waiting = sum(coverage.gaps(model).values())
        self.stdout.write(
            f"Model {model.pk}, {model}, is {what}; {waiting:,} products want a vector. The workers see to them, "
            f"`manage.py backfill_embeddings --model {model.pk}` does it at once. Then: "
            f"`manage.py embedding_models activate {model.pk}`."
        )

    def _index(self, options: dict[str, Any]) -> None:
        model = self._model(options)
        if indexes.state(model)["valid"] and not options["rebuild"]:
            self.stdout.write(f"The index of {model} is valid. Nothing to do; --rebuild builds it anew.")
            return
        self.stdout.write(f"Building the index of {model}. Search and edits go on meanwhile.")
        indexes.rebuild(model)
        self.stdout.write(f"Built, {indexes.state(model)['size_bytes'] / 2**20:,.1f} MiB.")

    def _activate(self, options: dict[str, Any]) -> None:
        model = self._model(options)
        if not options["force"]:
            model_registry.prepare_activation(model, options["wait"])
        obstacles = model_registry.obstacles(model) if options["force"] else []
        former = model_registry.activate_model(model, options["force"])
        for obstacle in obstacles:
            self.stderr.write(f"Activated all the same: {obstacle}")
        if former is None:
            self.stdout.write(f"{model} is the active model.")
            return
        self.stdout.write(
            f"Search uses {model} from now on. {former} is kept up to date: go back with `manage.py "
            f"embedding_models activate {former.pk}`, let it go with `manage.py embedding_models retire {former.pk}`."
        )

    def _retire(self, options: dict[str, Any]) -> None:
        model = self._model(options)
        model_registry.retire_model(model)
        self.stdout.write(
            f"{model} is retired. Its vectors are kept: `manage.py embedding_models build {model.pk}` brings it "
            f"back, `manage.py embedding_models remove {model.pk}` deletes it."
        )

    def _remove(self, options: dict[str, Any]) -> None:
        model = self._model(options)
        deleted = model_registry.remove_model(model)
        self.stdout.write(f"{model} is removed, with {deleted:,} vectors.")

    def _model(self, options: dict[str, Any]) -> EmbeddingModel:
        try:
            return EmbeddingModel.objects.get(pk=options["id"])
        except EmbeddingModel.DoesNotExist:
            there = ", ".join(f"{m.pk} ({m.name})" for m in EmbeddingModel.objects.order_by("pk"))
            raise CommandError(f"There is no model {options['id']}. There are: {there}.") from None
