"""What staff fill in."""

from typing import Any

from django import forms

from embeddings import additions, model_files, model_registry
from embeddings.exceptions import ModelUnavailableError
from embeddings.models import ModelAddition


class ModelAdditionForm(forms.ModelForm):
    """A model to add beside the active one. What takes no loading is checked at once, the rest by a worker."""

    class Meta:
        model = ModelAddition
        fields = ("name", "revision", "query_prompt", "document_prompt")

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.user = user
        # A prompt ends with the blank that parts it from the text.
        for name in ("query_prompt", "document_prompt"):
            self.fields[name].strip = False  # type: ignore[attr-defined]
        for field in self.fields.values():
            field.widget.attrs["class"] = "vTextField"

    def clean_name(self) -> str:
        """A name of the model hub, or a folder where the user may name one."""
        name: str = self.cleaned_data["name"]
        if not model_files.names_folder(name):
            return name
        if not additions.may_name_folders(self.instance.user):
            raise forms.ValidationError(model_registry.FOLDERS_REFUSED)
        try:
            return model_files.resolve(model_files.full_name(name))
        except ModelUnavailableError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """The model is neither there nor asked for yet."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        if twin := model_registry.twin_of(**cleaned):
            raise forms.ValidationError(model_registry.twin_sentence(twin))
        if ModelAddition.objects.open().filter(**cleaned).exists():
            raise forms.ValidationError(additions.already(cleaned["name"]))
        return cleaned
