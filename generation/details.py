"""What people see of a template, and who may use it: the form of its settings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile

from accounts.models import User
from gallery import files
from generation.models import Workflow

MAX_TAGS, MAX_TAG = 30, 60


class TagsField(forms.CharField):
    """A list of short words, written with commas between them."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        words = [word.strip() for word in str(value or "").split(",")]
        found = list(dict.fromkeys(word for word in words if word))
        if len(found) > MAX_TAGS or any(len(word) > MAX_TAG for word in found):
            message = f"At most {MAX_TAGS} words of at most {MAX_TAG} letters."
            raise forms.ValidationError(message)
        return found


class PeopleField(forms.CharField):
    """People by their names, with commas between them."""

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list):
            return ", ".join(str(getattr(one, "username", one)) for one in value)
        return value

    def to_python(self, value: Any) -> Any:
        words = [word.strip() for word in str(value or "").split(",")]
        names = list(dict.fromkeys(word for word in words if word))
        found = {one.username: one for one in User.objects.filter(username__in=names)}
        if missing := [name for name in names if name not in found]:
            raise forms.ValidationError(f"Nobody is called {', '.join(missing)}.")
        return list(found.values())


class DetailsForm(forms.ModelForm[Workflow]):
    tags = TagsField(required=False, help_text="With commas between them.")
    server_tags = TagsField(
        required=False,
        label="Servers",
        help_text="Runs only on servers that have all these tags.",
    )
    people = PeopleField(
        required=False, help_text="User names with commas between them."
    )
    cover = forms.FileField(
        required=False,
        label="Cover picture",
        help_text="Shown on the template's card. PNG, JPEG, WebP, AVIF or GIF.",
        widget=forms.FileInput(attrs={"accept": "image/*"}),
    )
    no_cover = forms.BooleanField(required=False, label="Take the cover away")

    class Meta:
        model = Workflow
        fields = (
            "title",
            "slug",
            "category",
            "tags",
            "description",
            "audience",
            "groups",
            "people",
            "server_tags",
            "position",
        )
        widgets = {
            "groups": forms.CheckboxSelectMultiple,
            "description": forms.Textarea(attrs={"rows": 5}),
        }
        labels = {"audience": "Who may use it", "slug": "Address"}
        help_texts = {
            "description": "Markdown: **bold**, lists, [links](https://example.org).",
            "position": "The lowest comes first.",
            "server_tags": "",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = Workflow.objects.exclude(category="").values_list("category", flat=True)
        self.categories = sorted(set(known))
        self.fields["category"].widget.attrs["list"] = "categories"
        if self.instance.pk:
            self.initial["people"] = list(self.instance.people.all())

    def clean_cover(self) -> Any:
        upload = self.cleaned_data.get("cover")
        if isinstance(upload, UploadedFile):
            if (upload.size or 0) > settings.LIFEOS_MAX_UPLOAD_BYTES:
                limit = settings.LIFEOS_MAX_UPLOAD_BYTES // 1024**2
                raise forms.ValidationError(f"The file is larger than {limit} MB.")
            try:
                pixels = settings.LIFEOS_MAX_OUTPUT_PIXELS
                self.inspected = files.inspect(upload, max_pixels=pixels)
                self.thumbnails = files.thumbnails(upload)
            except files.BadPicture as exc:
                raise forms.ValidationError(str(exc)) from exc
        return upload

    def save(self, commit: bool = True) -> Workflow:
        workflow = super().save(commit)
        old = workflow.cover_file.name
        new = old
        if self.cleaned_data.get("no_cover"):
            new = ""
        elif self.cleaned_data.get("cover"):
            name = f"covers/{workflow.pk}/{self.inspected.sha256[:32]}.webp"
            new = default_storage.save(name, ContentFile(self.thumbnails.large))
        if new != old:
            workflow.cover_file.name = new or ""
            workflow.save(update_fields=["cover_file"])
            if old:
                default_storage.delete(old)
        return workflow
