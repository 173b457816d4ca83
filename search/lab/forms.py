"""What can be asked in the lab. All of it stands in the page's address, so that a page can be sent to a colleague."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import QueryDict

from catalog.models import Category, Product
from embeddings import model_registry
from embeddings.models import EmbeddingModel
from search.api.forms import MAX_PRICE, AttributesField, PriceField, ShareField
from search.configuration import Fusion, RankingConfiguration
from search.lab.models import JudgmentList
from search.lab.variants import Variant
from search.query import MAX_DEPTH, MAX_QUERY_LENGTH, Attributes, Filters, Mode

SHOWN = (10, 20, 50)


class LabForm(forms.Form):
    """The query, its filters, and what is done with the results."""

    q = forms.CharField(
        label="Query",
        required=False,
        max_length=MAX_QUERY_LENGTH,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )
    category = forms.CharField(required=False, max_length=140)
    brand = forms.CharField(required=False, max_length=120)
    price_min = PriceField()
    price_max = PriceField()
    attribute = forms.CharField(required=False, strip=False)
    shown = forms.ChoiceField(
        label="Results", required=False, choices=[(number, f"First {number}") for number in SHOWN]
    )
    list = forms.ModelChoiceField(
        JudgmentList.objects.all(), label="Judgments go to", required=False, empty_label=None
    )
    compare = forms.BooleanField(label="Compare with B", required=False)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data, auto_id="lab-%s")
        categories = Category.objects.values_list("slug", "full_name")
        self.fields["category"].widget = forms.Select(choices=[("", "All categories"), *categories])
        self.fields["brand"].widget.attrs["placeholder"] = "All brands"
        self.fields["attribute"].widget.attrs["placeholder"] = "colour:red"
        for name, label in (("price_min", "Price from"), ("price_max", "Price to")):
            self.fields[name].label = label
            self.fields[name].widget = forms.NumberInput(attrs={"min": 0, "max": MAX_PRICE, "step": "any"})

    def clean_category(self) -> str:
        """Refuse a category that is not there."""
        slug: str = self.cleaned_data["category"]
        if slug and not any(slug == known for known, _ in self.fields["category"].widget.choices):
            raise ValidationError("There is no such category.")
        return slug

    def clean_brand(self) -> str:
        """Refuse a brand that no product has: an empty list would say nothing of why."""
        brand: str = self.cleaned_data["brand"]
        if brand and not Product.objects.filter(brand=brand).exists():
            raise ValidationError("No product has this brand. Write it as the products do.")
        return brand

    def clean_attribute(self) -> Attributes:
        """Read the name and the value. Raises ValidationError for a name that no product has."""
        return AttributesField().clean([self.cleaned_data["attribute"]])

    def clean(self) -> dict[str, Any]:
        """Refuse a price range that no price can lie in."""
        cleaned = super().clean() or self.cleaned_data
        lowest, highest = cleaned.get("price_min"), cleaned.get("price_max")
        if lowest is not None and highest is not None and lowest > highest:
            self.add_error("price_min", f"The lowest price ({lowest}) is above the highest ({highest}).")
        return cleaned

    def filters(self) -> Filters:
        """What every hit must satisfy."""
        values = self.cleaned_data
        return Filters(
            categories=(values["category"],) if values["category"] else (),
            brands=(values["brand"],) if values["brand"] else (),
            price_min=values["price_min"],
            price_max=values["price_max"],
            attributes=values["attribute"],
        )


class VariantForm(forms.Form):
    """A variant; what is left empty is as customers' searches have it."""

    mode = forms.ChoiceField(required=False)
    fusion = forms.ChoiceField(required=False)
    semantic_weight = ShareField()
    category_weight = ShareField()
    cutoff = ShareField()
    semantic_floor = forms.FloatField(required=False, min_value=-1, max_value=1)
    semantic_depth = forms.IntegerField(required=False, min_value=1, max_value=MAX_DEPTH)
    model = forms.ChoiceField(required=False)
    rerank = forms.ChoiceField(required=False)

    HELP = {
        "mode": "Which legs answer.",
        "fusion": "How both legs become one ranking.",
        "semantic_weight": "0: words alone, 1: meaning alone.",
        "category_weight": "How much the best hits’ categories lift others of theirs; 0: not at all.",
        "cutoff": "What scores below this share of the best hit is left out; 0: nothing is.",
        "semantic_floor": "What only meaning finds needs this cosine.",
        "semantic_depth": "So many products meaning brings; beside words down to half of them.",
        "model": "Models that are filled and kept up to date.",
        "rerank": "Whether a cross-encoder reorders the best.",
    }
    LABELS = {
        "semantic_weight": "Share of meaning",
        "category_weight": "Category prior",
        "cutoff": "Cut-off",
        "semantic_floor": "Least similarity",
        "semantic_depth": "Candidates by meaning",
    }

    def __init__(self, data: QueryDict, models: Sequence[EmbeddingModel], prefix: str) -> None:
        super().__init__(data, prefix=prefix, auto_id="lab-%s")
        self.models = {str(model.pk): model for model in models}
        now = RankingConfiguration.from_settings()
        self._choices("mode", Mode.HYBRID, [(mode.value, mode.value) for mode in Mode])
        self._choices("fusion", now.fusion.value, [(fusion.value, fusion.value) for fusion in Fusion])
        self._choices("rerank", "on" if now.rerank else "off", [("on", "on"), ("off", "off")])
        active = next((str(model) for model in models if model.state == EmbeddingModel.State.ACTIVE), "none")
        self._choices("model", active, [(pk, str(model)) for pk, model in self.models.items()])
        for name in ("semantic_weight", "category_weight", "cutoff"):
            self.fields[name].widget = forms.NumberInput(attrs={"min": 0, "max": 1, "step": 0.01})
        self.fields["semantic_floor"].widget.attrs["step"] = 0.01
        for name, field in self.fields.items():
            field.label = self.LABELS.get(name, name.capitalize())
            field.help_text = self.HELP[name]
            if isinstance(field.widget, forms.NumberInput):
                field.widget.attrs["placeholder"] = f"{getattr(now, name):g}"

    def _choices(self, name: str, now: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = [("", f"As now ({now})"), *choices]

    def clean_rerank(self) -> str:
        """Refuse to rerank without a model."""
        rerank: str = self.cleaned_data["rerank"]
        if rerank == "on" and not settings.SEARCH_RERANK_MODEL:
            raise ValidationError("No cross-encoder is set. Your operator names one in SEARCH_RERANK_MODEL.")
        return rerank

    def clean_model(self) -> EmbeddingModel | None:
        """Refuse a model that does not know every product yet: its results would be a part of the truth."""
        model = self.models.get(self.cleaned_data["model"])
        if model is None or model.state == EmbeddingModel.State.ACTIVE:
            return None
        if obstacles := model_registry.obstacles(model):
            raise ValidationError(["This model is not ready to be compared.", *obstacles])
        return model

    def variant(self) -> Variant:
        """What was asked for."""
        given = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        for name, kind in (("mode", Mode), ("fusion", Fusion)):
            if name in given:
                given[name] = kind(given[name])
        if "rerank" in given:
            given["rerank"] = given["rerank"] == "on"
        if (model := given.pop("model", None)) is not None:
            given["model_id"] = model.pk
        return Variant.current().changed(**given)


class ImportForm(forms.Form):
    """A table of judgments."""

    file = forms.FileField(label="CSV file")


class ListForm(forms.ModelForm):
    """A new list, by its name."""

    class Meta:
        model = JudgmentList
        fields = ["name"]


def params_of(variant: Variant, current: Variant, prefix: str) -> dict[str, str]:
    """The parameters by which the lab shows a variant: what differs from the current one."""
    wanted, now = variant.as_json(), current.as_json()
    params = {}
    for name, value in wanted.items():
        field = "model" if name == "model_id" else name
        if value == now[name] or value is None or field not in VariantForm.base_fields:
            continue
        params[f"{prefix}-{field}"] = ("on" if value else "off") if isinstance(value, bool) else str(value)
    return params
