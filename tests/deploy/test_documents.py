"""Every command in the documents works, or says what it needs that is not here.

A block of commands is run as it stands, except for addresses and folders, unless a
comment before it says what it needs: `<!-- needs: Docker -->`. Commands, options, paths
and targets that are named in the text must exist.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from tests.make import RECORDINGS
from tests.stack import PASSWORD, Embedded
from tests.stack.process import ROOT

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "deploy").glob("**/*.md"),
    ]
)
BLOCK = re.compile(
    r"^(?:[ ]*<!-- needs: (?P<needs>.+?) -->\n)?"
    r"[ ]*```(?:sh|bash|console)\n(?P<text>.*?)^[ ]*```$",
    re.S | re.M,
)
# Run as it stands by a test of its own.
ELSEWHERE = {"docs/api.md": "tests/api/test_docs.py"}
DATED = "20261125T033000Z"
# Nothing here is to be changed by what a page tells others to do.
NOT_HERE = re.compile(r"\b(sudo|systemctl|docker|apt|apt-get|git|ssh)\b")
TOPS = "docs|deploy|tests|benchmarks|lifeos|generation|gallery|accounts"


def blocks():
    for page in PAGES:
        name, text = str(page.relative_to(ROOT)), page.read_text()
        for found in BLOCK.finditer(text):
            line = text[: found.start("text")].count("\n")
            marks = [pytest.mark.skip(found["needs"])] if found["needs"] else []
            yield pytest.param(page, found["text"], id=f"{name}:{line}", marks=marks)


def commands():
    """Every `manage.py …` of the text, as words."""
    for page in PAGES:
        for found in re.finditer(r"manage\.py ([a-z_]+[^`\n|&#]*)", page.read_text()):
            words = found[1].rstrip(" .,;:)").replace("…", " ")
            yield pytest.param(words, id=f"{page.relative_to(ROOT)}: {words}")


# As they stand ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with Embedded(tmp_path_factory.mktemp("docs"), speed=0, gated=False) as stack:
        stack.visitor.wait(*stack.visitor.generate("test-card"))
        stack.env["TOKEN"] = stack.visitor.api.headers["Authorization"].split()[1]
        stack.backups, stack.worked = stack.folder / "backups", set()
        yield stack


def adapted(text, stack):
    """The same commands, for this stack's addresses and folders."""
    if DATED in text and not stack.backups.exists():
        stack.manage("backup", str(stack.backups), "--dated")
    made = sorted(stack.backups.glob("*Z")) or [Path(DATED)]
    simulator = stack.simulators[0].url
    for old, new in {
        ".venv/bin/python": sys.executable,
        "http://127.0.0.1:8000": stack.url,
        "localhost:8000": stack.url,
        "http://192.168.1.100:8188": simulator,
        "/var/backups/lifeos": str(stack.backups),
        DATED: made[-1].name,
        '"password": "…"': f'"password": "{PASSWORD}"',
        # Only whether it is there: `make run` is test_newcomer's, `make test` is us.
        "make ": "make -n ",
    }.items():
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(("page", "text"), list(blocks()))
def test_a_block_of_commands_works(page, text, stack, tmp_path):
    name = str(page.relative_to(ROOT))
    if name in ELSEWHERE:
        assert name in (ROOT / ELSEWHERE[name]).read_text()
        return
    assert not NOT_HERE.search(text), "say what it needs: <!-- needs: … -->"
    folder = ROOT
    if "./" in text:  # its own folder is meant, and gets new files
        folder = shutil.copytree(page.parent, tmp_path / "copy")
    text = adapted(text, stack)
    if text not in stack.worked:  # several pages tell the same
        command = ["bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(
            command,
            cwd=folder,
            env=stack.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"detail"' not in done.stdout, "the API has refused something"
        stack.worked.add(text)


WORKFLOW = RECORDINGS / "workflows" / "sd15_txt2img.api.json"


@pytest.mark.parametrize(
    "words",
    [
        "check --deploy",
        "storage verify --deep",
        "storage gc",
        "storage drain",
        "storage move --to local",
        "search rebuild",
        "search status",
        "rotate_secrets",
        f"import_workflow {WORKFLOW}",
    ],
)
def test_a_command_of_the_text_works(words, stack):
    named = " ".join(words.split()[:2]).removesuffix(f" {WORKFLOW}")
    assert any(f"manage.py {named}" in page.read_text() for page in PAGES)
    stack.manage(*words.split())


# As they are named ------------------------------------------------------------------


def options_of(parser):
    """Its own, and those of the commands below it: {"": {...}, "move": {...}}."""
    found = {"": set(parser._option_string_actions)}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                found[name] = set(below._option_string_actions)
    return found


@pytest.mark.parametrize("words", list(commands()))
def test_a_command_and_its_options_exist(words):
    name, *rest = words.split()
    apps = get_commands()
    assert name in apps, f"there is no manage.py {name}"
    command = load_command_class(apps[name], name)
    options = options_of(command.create_parser("manage.py", name))
    below = next((word for word in rest if word in options), "")
    assert below or len(options) == 1 or not rest, f"{name} has no {rest[0]}"
    for word in rest:
        if word.startswith("--"):
            assert word.split("=")[0] in options[""] | options[below], word


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_what_a_page_names_is_there(page):
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for name in re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", text, re.M):
        assert set(name) - {""} <= targets, name
    for path in re.findall(rf"`((?:{TOPS})/[\w./*-]+)`", text):
        assert any(ROOT.glob(path.rstrip("/"))), path
    for path in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / path).exists(), path
