"""What ComfyUI's own page made of workflows: ours has to be the same."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from generation.comfy.convert import Unconvertible, convert, read
from tests.comfy.graphs import KNOWN

FIXTURES = Path(__file__).parent / "conversions"
WORKFLOWS, CONVERSIONS = "LIFEOS_WORKFLOWS", "LIFEOS_CONVERSIONS"
# A page draws this number anew each time, and names pictures after the time of day.
DRAWN = re.compile(r"(?<=&rand=)[0-9.e-]+|(?<=threed/)[a-z_]+[0-9]+(?=\.png \[temp])")


def essence(prompt):
    """Class and inputs of each node, without what is different each time."""
    kept = {
        node_id: {"class_type": node["class_type"], "inputs": node["inputs"]}
        for node_id, node in prompt.items()
    }
    return json.loads(DRAWN.sub("", json.dumps(kept)))


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda p: p.stem)
def test_recorded_conversions_are_the_same(path):
    recorded = json.loads(path.read_text())
    prompt = convert(recorded["workflow"], KNOWN)
    assert essence(prompt) == essence(recorded["prompt"])
    # The page's titles are translated; ours are the server's.
    assert all(node["_meta"]["title"] for node in prompt.values())


def all_workflows():
    folder = os.environ.get(WORKFLOWS)
    for path in sorted(Path(folder).rglob("*.json")) if folder else []:
        document = read(path.read_bytes())
        if isinstance(document, dict) and isinstance(document.get("nodes"), list):
            yield path, document


def is_set():
    return all(os.environ.get(name) for name in (WORKFLOWS, CONVERSIONS))


@pytest.mark.skipif(
    not is_set(),
    reason=f"{WORKFLOWS} (unpacked template packages) and {CONVERSIONS} are not set",
)
def test_all_recorded_conversions_are_the_same():
    folder = Path(os.environ[CONVERSIONS])
    compared, different = set(), []
    for path, document in all_workflows():
        recorded = folder / path.name
        try:
            prompt = convert(document, KNOWN)
        except Unconvertible as error:
            assert error.nodes, f"{path.name}: {error}"
            if recorded.exists():
                different.append(f"{path.name}: {error}")
            continue
        if recorded.exists():
            compared.add(path.name)
            if essence(prompt) != essence(json.loads(recorded.read_text())):
                different.append(path.name)
    assert not different
    assert compared == {path.name for path in folder.glob("*.json")}
