"""Forms for staff's decisions; one that is only previewed is never saved."""

from typing import Any

from django import forms
from django.db.models import Q

from catalog.models import Product
from search.merchandising.models import CurationAction, CurationRule, Synonym
from search.merchandising.widgets import PlainRenderer

PREVIEW = "_preview"  # the button's name
ALONE = "alone"  # its value where a script asks, which needs nothing but the preview
PREVIEW_QUERY = "_preview_query"


class PreviewableForm(forms.ModelForm):
    """The admin saves what is valid, and shows everything else again with what was typed."""

    def is_valid(self) -> bool:
        """Whether it may be saved."""
        return super().is_valid() and PREVIEW not in self.data


class SynonymForm(PreviewableForm):
    """A synonym."""

    class Meta:
        model = Synonym
        fields = ("term", "means", "both_ways")


class CurationRuleForm(PreviewableForm):
    """A rule without its actions."""

    class Meta:
        model = CurationRule
        fields = (
            "name",
            "note",
            "query",
            "match",
            "category",
            "valid_from",
            "valid_to",
            "is_active",
            "priority",
        )
        widgets = {"note": forms.Textarea(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("valid_from", "valid_to"):
            if name in self.fields:  # not of who may only look
                _name_both_boxes(self.fields[name])


def _name_both_boxes(field: forms.Field) -> None:
    """Say aloud what the two boxes of a time are for, to which the admin's one label does not belong."""
    for box, part in zip(field.widget.widgets, ("date", "time"), strict=True):
        box.attrs["aria-label"] = f"{str(field.label).capitalize()}, {part}"


class CurationActionForm(forms.ModelForm):
    """One action."""

    default_renderer = PlainRenderer

    class Meta:
        model = CurationAction
        fields = ("kind", "product", "category", "brand", "position", "factor")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("product", "category"):
            if name in self.fields and self.instance.pk:
                self.fields[name].widget.known = getattr(self.instance, name)

    def clean_brand(self) -> str:
        """The brand, if a product has it. Raises ValidationError."""
        brand = str(self.cleaned_data["brand"])
        if brand and "\0" not in brand and not Product.objects.filter(brand=brand).exists():
            raise forms.ValidationError("No product has this brand. Write it exactly as products have it.")
        return brand

    def validate_constraints(self) -> None:
        """Leave this to `clean`, to the formset and to the database: while two pins change places, either one's new
        place is still the other's in the database."""


class CurationActionFormSet(forms.BaseInlineFormSet):
    """The actions of a rule."""

    def clean(self) -> None:
        """Refuse a rule that does nothing, and products that are pinned twice."""
        super().clean()
        if any(self.errors):
            return
        kept = [form.instance for form in self.kept_forms()]
        if not kept:
            raise forms.ValidationError("Say what the rule does: add at least one action.")
        pins = [one for one in kept if one.kind == CurationAction.Kind.PIN]
        if len({pin.product_id for pin in pins}) < len(pins):
            raise forms.ValidationError("A product can be pinned to one position only.")
        self._refuse_what_is_taken(pins)

    def _refuse_what_is_taken(self, pins: list[CurationAction]) -> None:
        """Refuse a place or a product that somebody else has pinned since this form was opened."""
        if not self.instance.pk:
            return
        others = self.instance.actions.exclude(pk__in=[form.instance.pk for form in self.initial_forms])
        same = Q(position__in=[pin.position for pin in pins]) | Q(
            product__in=[pin.product_id for pin in pins]
        )
        taken = others.filter(same, kind=CurationAction.Kind.PIN).select_related("product").first()
        if taken:
            raise forms.ValidationError(
                f"Somebody has just pinned {taken.product} to position {taken.position}. Open the rule again to see it."
            )

    def kept_forms(self) -> list[Any]:
        """The forms whose actions will be there after saving."""
        return [
            form
            for form in self.forms
            if form not in self.deleted_forms and (form.instance.pk or form.has_changed())
        ]

    def get_unique_error_message(self, unique_check: Any) -> str:
        """What to say of two pins in one place."""
        return "Two products are pinned to the same position."
