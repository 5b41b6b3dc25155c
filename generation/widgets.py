"""How a parameter is typed in: one widget for each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from generation.fields import FILES, Kind, Parameter
from generation.media import ACCEPT
from generation.parameters import MAX_BATCH, NO_LORA

MODES = [
    ("random", "Random: a new one each time"),
    ("fixed", "Fixed: always this one"),
    ("increment", "Count up: one more each time"),
]


def widget_of(parameter: Parameter, choices: Sequence[str] | None) -> forms.Widget:
    kind = parameter.kind
    if kind == Kind.LORA:
        return LoraInput(parameter, choices or ())
    if choices is not None:
        return forms.Select(choices=[(c, c) for c in choices])
    if kind == Kind.LONG_TEXT:
        return forms.Textarea(attrs={"rows": 4, "data-weights": ""})
    if kind in (Kind.INTEGER, Kind.FLOAT, Kind.BATCH):
        return number_input(parameter)
    if kind == Kind.SEED:
        return SeedInput()
    if kind == Kind.SIZE:
        return SizeInput(parameter)
    if kind == Kind.BOOLEAN:
        return forms.CheckboxInput(attrs={"role": "switch"})
    if kind == Kind.COLOR:
        return forms.TextInput(attrs={"type": "color"})
    if kind in FILES:
        return StoredFileInput(attrs={"accept": ACCEPT[kind]})
    return forms.TextInput(attrs={"data-weights": ""})


def number_input(parameter: Parameter) -> forms.NumberInput:
    whole = parameter.kind not in (Kind.FLOAT, Kind.LORA)
    step = parameter.step if parameter.step is not None else (1 if whole else "any")
    low, high = parameter.minimum, parameter.maximum
    if parameter.kind == Kind.BATCH:
        low, high = low or 1, high or MAX_BATCH
    limits = {"min": low, "max": high, "step": step}
    attrs = {name: _plain(limit) for name, limit in limits.items() if limit is not None}
    mode = "numeric" if whole else "decimal"
    return forms.NumberInput(attrs={"inputmode": mode, **attrs})


def _plain(limit: float | str) -> str:
    if isinstance(limit, float) and limit.is_integer():
        return str(int(limit))
    return str(limit)


class PartsInput(forms.MultiWidget):
    """Several inputs for one value, each under the name of its part."""

    # Each part is described by the help and the message, not their fieldset alone.
    use_fieldset = False
    template = ""
    keys: tuple[str, ...] = ()
    first_has_name = False

    def __init__(self, widgets: Sequence[forms.Widget]) -> None:
        super().__init__(widgets)
        names = [f"-{key}" for key in self.keys]
        self.widgets_names = ["", *names[1:]] if self.first_has_name else names

    def decompress(self, value: Any) -> list[Any]:
        given = value if isinstance(value, Mapping) else {}
        return [given.get(key) for key in self.keys]

    def value_from_datadict(  # type: ignore[override]
        self, data: Mapping[str, Any], files: Any, name: str
    ) -> dict[str, Any]:
        values = super().value_from_datadict(data, files, name)
        return dict(zip(self.keys, values, strict=True))

    def render(
        self, name: str, value: Any, attrs: Any = None, renderer: Any = None
    ) -> SafeString:
        inner = self.get_context(name, value, attrs)["widget"]["subwidgets"]
        render = self._render  # type: ignore[attr-defined]
        parts = {
            key: {
                "id": widget["attrs"].get("id", ""),
                "html": render(widget["template_name"], {"widget": widget}),
            }
            for key, widget in zip(self.keys, inner, strict=True)
        }
        return render_to_string(self.template, {"parts": parts})


class SizeInput(PartsInput):
    template = "generation/widgets/size.html"
    keys = ("width", "height")

    def __init__(self, parameter: Parameter) -> None:
        super().__init__([number_input(parameter), number_input(parameter)])


class LoraInput(PartsInput):
    template = "generation/widgets/lora.html"
    keys = ("name", "strength")

    def __init__(self, parameter: Parameter, choices: Sequence[str]) -> None:
        names = [(NO_LORA, "None"), *((c, c) for c in choices)]
        super().__init__([forms.Select(choices=names), number_input(parameter)])
        usual = parameter.default if isinstance(parameter.default, Mapping) else {}
        self.strength = usual.get("strength") or 1

    def decompress(self, value: Any) -> list[Any]:
        name, strength = super().decompress(value)
        # Of none the usual strength is shown, ready for when one is chosen.
        return [name, self.strength if name in (None, "", NO_LORA) else strength]


class SeedInput(PartsInput):
    template = "generation/widgets/seed.html"
    keys = ("value", "mode")
    first_has_name = True

    def __init__(self) -> None:
        digits = {"inputmode": "numeric", "pattern": "[0-9]*", "placeholder": "random"}
        super().__init__([forms.TextInput(attrs=digits), forms.Select(choices=MODES)])

    def decompress(self, value: Any) -> list[Any]:
        if isinstance(value, Mapping):
            return super().decompress(value)
        return [value, "random" if value in (None, "") else "fixed"]

    def value_from_datadict(  # type: ignore[override]
        self, data: Mapping[str, Any], files: Any, name: str
    ) -> dict[str, Any]:
        value = super().value_from_datadict(data, files, name)
        # Without the page's script the mode stays as it was: who types a seed wants it.
        if value["value"] and value["mode"] == "random":
            value["mode"] = "fixed"
        return value


class StoredFileInput(forms.FileInput):
    """A new file, else a picture of the gallery, else the file that was there."""

    def value_from_datadict(
        self, data: Mapping[str, Any], files: Any, name: str
    ) -> Any:
        if upload := super().value_from_datadict(data, files, name):
            return upload
        if picked := data.get(f"{name}-picked"):
            return picked
        if data.get(f"{name}-none"):
            return None
        return data.get(f"{name}-kept") or None

    def format_value(self, value: Any) -> None:
        return None
