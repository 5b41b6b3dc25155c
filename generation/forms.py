"""The form that a template's parameters make."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.forms.boundfield import BoundField
from django.http import QueryDict

from accounts.models import User
from generation import media, offers, outlook, parameters, sweep, usage
from generation.fields import FILES, Kind, Parameter
from generation.models import Job, Server, Version
from generation.submit import (
    MAX_COUNT,
    SWEEP,
    Invalid,
    Wish,
    from_gallery,
    input_folder,
    is_own_file,
    submit,
)
from generation.widgets import widget_of

SWEPT = ("sweep-1", "sweep-2")


class GenerateForm(forms.Form):
    """Shows the parameters and checks them by `parameters.clean`, as the API does.

    `initial` are values of an earlier job; without them the defaults are shown.
    """

    # Why the name for a preset cannot be taken.
    preset_error = ""

    def __init__(
        self,
        version: Version,
        owner: User,
        data: Mapping[str, Any] | None = None,
        uploads: Mapping[str, Any] | None = None,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        self.version, self.workflow, self.owner = version, version.workflow, owner
        self.parameters = offers.parameters_of(version)
        self.choices = offers.choices_of(version)
        super().__init__(data, uploads, initial=dict(initial or {}))  # type: ignore[arg-type]
        for parameter in self.parameters:
            self.fields[parameter.name] = self._field(parameter)
        self._add_own_fields()

    def _add_own_fields(self) -> None:
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
        names = [(p.name, p.label) for p in self.parameters if p.kind in sweep.KINDS]
        for number, name in enumerate(SWEPT, 1):
            self.fields[name] = forms.ChoiceField(
                label="Parameter" if number == 1 else "and",
                choices=[("", "None"), *names],
                required=False,
            )
            self.fields[f"{name}-values"] = forms.CharField(
                label="Values",
                required=False,
                strip=False,
                max_length=20_000,
                widget=forms.Textarea(
                    attrs={"rows": 1, "placeholder": "1, 2, 3 or 1..9 step 2"}
                ),
            )

    # Showing ------------------------------------------------------------------

    def no_server(self) -> str:
        """Why no server could run this now with its defaults; empty if one can."""
        values = {
            p.name: parameters.default(p, self.choices(p)) for p in self.parameters
        }
        graph = parameters.resolve(
            self.version.graph, self.parameters, values, self.choices
        )
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
            widget=widget_of(parameter, choices),
        )
        field.parameter = parameter  # type: ignore[attr-defined]
        if condition := parameter.shown_if:
            shown = {"parameter": condition.parameter, "is": list(condition.values)}
            field.shown_if = json.dumps(shown)  # type: ignore[attr-defined]
        if parameter.kind in FILES:
            self._keep(field, self.initial.get(parameter.name))
        return field

    def _keep(self, field: Any, key: object) -> None:
        """Show the file that is there already, if it is the person's own."""
        field.kept = key if is_own_file(self.owner, key) else ""
        field.kept_name = PurePosixPath(str(field.kept)).name

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

    def sweeps(self) -> list[tuple[BoundField, BoundField]]:
        """(parameter, values) of each field of the grid."""
        return [(self[name], self[f"{name}-values"]) for name in SWEPT]

    def show_errors(self, errors: Mapping[str, str]) -> None:
        """Beside the fields of a form that was not sent yet: what the server said."""
        self.cleaned_data: dict[str, Any] = {}
        for name, sentence in errors.items():
            self.add_error(name if name in self.fields else None, sentence)

    @property
    def advanced_has_errors(self) -> bool:
        return any(self[p.name].errors for p in self.parameters if p.advanced)

    @property
    def preset_name(self) -> str:
        return str(self.data.get("preset-name", ""))

    @property
    def sweep_is_open(self) -> bool:
        return any(self[name].value() or self[name].errors for name in SWEPT)

    # Taking -------------------------------------------------------------------

    def submit(self) -> list[Job]:
        """Queue the jobs. On wrong values: an empty list, and the errors beside
        their fields. Raises TooMany.
        """
        wish = self.wish()
        if wish is None:
            return []
        try:
            jobs = submit(
                self.owner,
                self.version,
                wish.given,
                count=wish.count,
                priority=wish.priority,
                swept=wish.swept,
            )
        except Invalid as exc:
            self.tell(exc)
            return []
        self._count_seeds_up(jobs)
        return jobs

    def tell(self, wrong: Invalid) -> None:
        """Show each sentence beside its field."""
        for name, sentence in wrong.errors.items():
            where = f"{SWEPT[0]}-values" if name == SWEEP else name
            self.add_error(where if where in self.fields else None, sentence)

    def wish(self, *, with_files: bool = True) -> Wish | None:
        """What was typed; None, and errors, where it cannot be read at all.

        Without files, a file counts as given: only the number of jobs is asked for.
        """
        self.full_clean()
        given = {p.name: self.cleaned_data.get(p.name) for p in self.parameters}
        for parameter in self.parameters:
            if parameter.kind in FILES and not with_files:
                given[parameter.name] = f"{input_folder(self.owner)}any"
            elif parameter.kind in FILES:
                given[parameter.name] = self._stored(parameter, given[parameter.name])
            elif parameter.kind == Kind.BOOLEAN:
                given[parameter.name] = bool(given[parameter.name])
        swept = self._swept()
        if self.errors:
            return None
        return Wish(
            given=given,
            count=self.cleaned_data["count"] or 1,
            priority=self.cleaned_data["priority"] or Job.Priority.NORMAL,
            swept=swept,
        )

    def _swept(self) -> dict[str, list[str]]:
        by_name = {p.name: p for p in self.parameters}
        swept: dict[str, list[str]] = {}
        for name in SWEPT:
            chosen = self.cleaned_data.get(name)
            typed = self.cleaned_data.get(f"{name}-values") or ""
            if not chosen:
                if typed.strip():
                    self.add_error(name, "Choose the parameter of these values.")
                continue
            if chosen in swept:
                self.add_error(name, "Choose another parameter than above.")
                continue
            try:
                swept[chosen] = sweep.values(by_name[chosen], typed)
            except sweep.BadSweep as exc:
                self.add_error(f"{name}-values", str(exc))
        return swept

    def _stored(self, parameter: Parameter, value: object) -> Any:
        """The key of a file, stored at once: then it is kept on errors, too."""
        if isinstance(value, UploadedFile):
            try:
                value = keep_input(self.owner, value, parameter.kind)
            except media.BadFile as exc:
                self.add_error(parameter.name, str(exc))
                return None
        elif parameter.kind == Kind.IMAGE:
            value = from_gallery(self.owner, value) or value
        # Should another value be wrong, it need not be chosen again.
        self.initial[parameter.name] = value
        self._keep(self.fields[parameter.name], value)
        return value

    def _count_seeds_up(self, jobs: list[Job]) -> None:
        """After a run the form shows the next seed of those that count up."""
        if not jobs or not isinstance(self.data, QueryDict):
            return
        data = self.data.copy()
        for parameter in self.parameters:
            mode = self.data.get(f"{parameter.name}-mode")
            if parameter.kind == Kind.SEED and mode == "increment":
                last = jobs[-1].parameters[parameter.name]
                after = parameters.seed_after(parameter, last, 1)
                data[parameter.name] = str(after)
        self.data = data


def keep_input(owner: User, upload: UploadedFile[Any], kind: Kind = Kind.IMAGE) -> str:
    """Store an uploaded file under its hash; return its key. Raises BadFile."""
    if (upload.size or 0) > settings.LIFEOS_MAX_UPLOAD_BYTES:
        limit = settings.LIFEOS_MAX_UPLOAD_BYTES // 1024**2
        raise media.BadFile(f"The file is larger than {limit} MB.")
    try:
        usage.check_room(owner, upload.size or 0)
    except usage.NoRoom as exc:
        raise media.BadFile(str(exc)) from exc
    seen = media.inspect(upload, kind, max_pixels=settings.LIFEOS_MAX_OUTPUT_PIXELS)
    upload.seek(0)
    content = upload if seen.content is None else ContentFile(seen.content)
    key = f"{input_folder(owner)}{seen.sha256}.{seen.extension}"
    return key if default_storage.exists(key) else default_storage.save(key, content)
