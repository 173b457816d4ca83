"""What the lab's page shows: one query answered by one variant or two, with places, moves, scores and judgments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from catalog.models import Product
from embeddings.models import EmbeddingModel
from search import encoding
from search.engine import search_products
from search.exceptions import EncodingUnavailableError, InvalidQueryError
from search.lab import judging
from search.lab.forms import SHOWN, LabForm, VariantForm
from search.lab.models import JudgmentList
from search.lab.moves import Move, moves
from search.lab.variants import Variant
from search.query import MAX_PAGE_SIZE
from search.results import Hit, SearchResult
from search.storefront.formats import picture_address
from search.storefront.navigation import FACETS

# A page waits so long for a model that this process has not used before.
LOAD_S = 3.0


@dataclass(frozen=True)
class ShownHit:
    """One result with all that is said of it."""

    place: int
    fields: dict[str, Any]
    why: dict[str, Any]
    picture: str | None
    move: Move | None
    grade: int | None
    product_id: int | None


@dataclass
class Column:
    """The answer of one variant."""

    name: str
    variant: Variant
    differences: list[str]
    result: SearchResult | None = None
    problem: str = ""
    hits: list[ShownHit] = field(default_factory=list)

    @property
    def skus(self) -> list[str]:
        """The products in order, further than is shown: a product may come from there, or go there."""
        return [] if self.result is None else [hit.fields["sku"] for hit in self.result.hits]


class LabPage:
    """The page for one address."""

    def __init__(self, params: QueryDict) -> None:
        models = list(EmbeddingModel.objects.live())
        self.lists = list(JudgmentList.objects.order_by("-pk"))
        self.form = LabForm(params)
        self.forms = [VariantForm(params, models=models, prefix=prefix) for prefix in ("a", "b")]
        self.is_valid = self.form.is_valid()
        self.compares = bool(self.form.cleaned_data.get("compare"))
        for form in self._forms_asked():
            self.is_valid = form.is_valid() and self.is_valid
        chosen = self.form.cleaned_data.get("list")
        self.list: JudgmentList | None = chosen or (self.lists[0] if self.lists else None)
        self.columns: list[Column] = []
        self._models = {model.pk: model for model in models}

    def _forms_asked(self) -> list[VariantForm]:
        return self.forms if self.compares else self.forms[:1]

    @property
    def query(self) -> str:
        """What is searched for."""
        text: str = self.form.cleaned_data.get("q", "")
        return text

    def variants(self) -> list[Variant]:
        """One, or two that are compared. The forms must be valid."""
        return [form.variant() for form in self._forms_asked()]

    def answer(self) -> None:
        """Run the query under each variant."""
        variants = self.variants()
        current = Variant.current()
        names = {pk: str(model) for pk, model in self._models.items()}
        for name, variant in zip("AB", variants, strict=False):
            column = Column(name, variant, variant.differences(current, names))
            self._fill(column)
            self.columns.append(column)
        self._show()

    def _fill(self, column: Column) -> None:
        """Search; what is wrong with the filters is said at the form, what is wrong with a model at its column."""
        query = column.variant.query(
            self.query, self.form.filters(), facets=FACETS, explain=True, page_size=MAX_PAGE_SIZE
        )  # with the facets of the storefront, so that the times are those of customers
        try:
            if (pk := column.variant.configuration.model_id) is not None:
                encoding.load_beside(self._models[pk], LOAD_S)
            column.result = search_products(query)
        except EncodingUnavailableError as error:
            column.problem = str(error)
        except InvalidQueryError as error:
            column.problem = str(error)
            self.is_valid = False

    def _show(self) -> None:
        """Choose what is shown of each column, and say of each product what became of it."""
        number = int(self.form.cleaned_data["shown"] or SHOWN[0])
        answered = [column for column in self.columns if column.result is not None]
        found: Mapping[str, Move] = {}
        if len(answered) == 2:
            found = moves(answered[0].skus, answered[1].skus)
        grades = judging.grades_of(self.list, self.query) if self.list is not None else {}
        shown = {sku for column in answered for sku in column.skus[:number]}
        ids = dict(Product.objects.filter(sku__in=shown).values_list("sku", "pk")) if shown else {}
        for column in answered:
            hits = column.result.hits[:number] if column.result is not None else []
            moved = {sku: move for sku, move in found.items() if column.name == "B" or move.kind == "gone"}
            column.hits = [_shown(place, hit, moved, grades, ids) for place, hit in enumerate(hits, start=1)]

    def stages(self) -> list[tuple[str, list[float | None]]]:
        """Milliseconds of each stage by column, in the order of the first."""
        results = [column.result for column in self.columns]
        traced = [one.trace.stages_ms if one and one.trace else {} for one in results]
        names = dict.fromkeys(name for stages in traced for name in stages)
        rows: list[tuple[str, list[float | None]]] = [
            (name, [stages.get(name) for stages in traced]) for name in names
        ]
        totals = [one.timings_ms["total"] if one else None for one in results]
        return [*rows, ("all together", totals)]


def _shown(
    place: int,
    hit: Hit,
    moved: Mapping[str, Move],
    grades: Mapping[str, int],
    ids: Mapping[str, int],
) -> ShownHit:
    sku = hit.fields["sku"]
    return ShownHit(
        place=place,
        fields=hit.fields,
        why=hit.explanation or {},
        picture=picture_address(hit.fields.get("image_url")),
        move=moved.get(sku),
        grade=grades.get(sku),
        product_id=ids.get(sku),
    )
