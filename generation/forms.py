"""The form that a template's parameters make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.forms.boundfield import BoundField

from accounts.models import User
from gallery import files
from generation import offers, outlook, parameters
from generation.fields import Kind, Parameter
from generation.models import Job, Server, Version
from generation.submit import MAX_COUNT, Invalid, input_folder, submit


class GenerateForm(forms.Form):
    """Shows the parameters and checks them by `parameters.clean`, as the API does.

    `initial` are values of an earlier job; without them the defaults are shown.
    """

    def __init__(
        self,
        version: Version,
        owner: User,
        data: Mapping[str, Any] | None = None,
        uploads: Mapping[str, Any] | None = None,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        self.version, self.workflow, self.owner = version, version.workflow, owner
        self.parameters = version.parameters
        self.choices = offers.choices_of(version)
        super().__init__(data, uploads, initial=dict(initial or {}))  # type: ignore[arg-type]
        for parameter in self.parameters:
            self.fields[parameter.name] = self._field(parameter)
        self.fields["count"] = forms.IntegerField(
            label="Jobs",
            initial=1,
            required=False,
            min_value=1,
            max_value=MAX_COUNT,
            help_text="How many times, each with another seed.",
        )
        self.fields["priority"] = forms.ChoiceField(
            label="Priority",
            choices=Job.Priority.choices,
            initial=Job.Priority.NORMAL,
            required=False,
            help_text="Among your own jobs.",
        )

    # Showing ------------------------------------------------------------------

    def no_server(self) -> str:
        """Why no server could run this now with its defaults; empty if one can."""
        values = {
            p.name: parameters.default(p, self.choices(p)) for p in self.parameters
        }
        graph = parameters.resolve(self.version.graph, self.parameters, values)
        tags = self.workflow.server_tags
        servers = [server for server in Server.taking_jobs() if server.catalog_id]
        if any(not s.lacks(graph) and not s.lacks_tags(tags) for s in servers):
            return ""
        return outlook.no_server_sentence(tags, graph)

    def _field(self, parameter: Parameter) -> forms.Field:
        choices = self.choices(parameter)
        value = parameters.default(parameter, choices)
        field = forms.Field(
            label=parameter.label,
            required=False,  # `parameters.clean` decides, with its own sentence
            initial=value,
            help_text=parameter.help_text,
            widget=_widget(parameter, choices),
        )
        field.parameter = parameter  # type: ignore[attr-defined]
        return field

    def groups(self) -> Iterator[tuple[str, list[BoundField]]]:
        """(group, fields) of what everybody sees."""
        return self._grouped(advanced=False)

    def advanced(self) -> Iterator[tuple[str, list[BoundField]]]:
        """(group, fields) behind "Advanced"."""
        return self._grouped(advanced=True)

    def _grouped(self, *, advanced: bool) -> Iterator[tuple[str, list[BoundField]]]:
        shown = [p for p in self.parameters if p.advanced == advanced]
        for group, members in groupby(shown, key=lambda p: p.group):
            yield group, [self[p.name] for p in members]

    def show_errors(self, errors: Mapping[str, str]) -> None:
        """Beside the fields of a form that was not sent yet: what the server said."""
        self.cleaned_data: dict[str, Any] = {}
        for name, sentence in errors.items():
            self.add_error(name if name in self.fields else None, sentence)

    @property
    def advanced_has_errors(self) -> bool:
        return any(self[p.name].errors for p in self.parameters if p.advanced)

    # Taking -------------------------------------------------------------------

    def submit(self) -> list[Job]:
        """Queue the jobs. On wrong values: an empty list, and the errors beside
        their fields. Raises TooMany.
        """
        if not self.is_valid():
            return []
        given = dict(self.cleaned_data)
        count = given.pop("count") or 1
        priority = given.pop("priority") or Job.Priority.NORMAL
        for parameter in self.parameters:
            if parameter.kind == Kind.IMAGE:
                self._keep_upload(parameter, given)
            elif parameter.kind == Kind.BOOLEAN:
                given[parameter.name] = bool(given[parameter.name])
        if self.errors:
            return []
        try:
            return submit(
                self.owner, self.version, given, count=count, priority=priority
            )
        except Invalid as exc:
            for name, sentence in exc.errors.items():
                self.add_error(name if name in self.fields else None, sentence)
            return []

    def _keep_upload(self, parameter: Parameter, given: dict[str, Any]) -> None:
        upload = given.get(parameter.name)
        if isinstance(upload, UploadedFile):
            try:
                key = keep_input(self.owner, upload)
                given[parameter.name] = key
                # Should another value be wrong, it need not be chosen again.
                self.initial[parameter.name] = key
            except files.BadPicture as exc:
                self.add_error(parameter.name, str(exc))
        else:
            # No new file: the one of the settings that are used again, if any.
            kept = self.data.get(f"{parameter.name}-kept", "")
            given[parameter.name] = kept or None


def keep_input(owner: User, upload: UploadedFile[Any]) -> str:
    """Store an uploaded picture under its hash; return its key. Raises BadPicture."""
    if (upload.size or 0) > settings.LIFEOS_MAX_UPLOAD_BYTES:
        limit = settings.LIFEOS_MAX_UPLOAD_BYTES // 1024**2
        raise files.BadPicture(f"The file is larger than {limit} MB.")
    seen = files.inspect(upload, max_pixels=settings.LIFEOS_MAX_OUTPUT_PIXELS)
    upload.seek(0)
    key = f"{input_folder(owner)}{seen.sha256}.{seen.extension}"
    return key if default_storage.exists(key) else default_storage.save(key, upload)


def _widget(parameter: Parameter, choices: Any) -> forms.Widget:
    kind = parameter.kind
    limits = {
        key: f"{limit:g}"
        for key, limit in (
            ("min", parameter.minimum),
            ("max", parameter.maximum),
            ("step", parameter.step),
        )
        if limit is not None
    }
    if choices is not None:
        return forms.Select(choices=[(c, c) for c in choices])
    if kind == Kind.LONG_TEXT:
        return forms.Textarea(attrs={"rows": 4})
    if kind == Kind.INTEGER:
        return forms.NumberInput(attrs={"inputmode": "numeric", **limits})
    if kind == Kind.FLOAT:
        limits.setdefault("step", "any")
        return forms.NumberInput(attrs={"inputmode": "decimal", **limits})
    if kind == Kind.SEED:
        return forms.TextInput(
            attrs={"inputmode": "numeric", "placeholder": "random", "pattern": "[0-9]*"}
        )
    if kind == Kind.BOOLEAN:
        return forms.CheckboxInput()
    if kind == Kind.COLOR:
        return forms.TextInput(attrs={"type": "color"})
    if kind == Kind.IMAGE:
        return forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp"})
    return forms.TextInput()
