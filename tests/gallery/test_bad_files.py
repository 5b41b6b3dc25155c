"""None is stored as a picture, none runs, and each is refused with a reason."""

from __future__ import annotations

import io
import subprocess
import sys
import uuid

import pytest
from django.core.files.storage import default_storage

from gallery import files, intake
from gallery.files import films
from gallery.models import Image
from tests import make
from tests.gallery import bad

MAX = 200_000_000


@pytest.fixture(scope="module")
def corpus():
    return {name: build() for name, (_, build) in bad.BAD.items()}


def taken(owner, content, name=""):
    row = Image(id=uuid.uuid4(), owner=owner, node="", kind="upload", index=0)
    row.source_name = intake.clean_name(name)
    return intake.take(io.BytesIO(content), row)


@pytest.mark.parametrize("name", bad.BAD)
def test_it_is_refused_with_a_reason(name, corpus):
    with pytest.raises(files.BadPicture) as caught:
        files.recognise(io.BytesIO(corpus[name]), max_pixels=MAX)
    reason = str(caught.value)
    assert reason[0].isupper() or reason[0].isdigit()
    assert reason.endswith(".")


@pytest.mark.parametrize("name", bad.BAD)
def test_no_form_for_pictures_takes_it(name, corpus):
    with pytest.raises(files.BadPicture):
        files.inspect(io.BytesIO(corpus[name]), max_pixels=MAX)


@pytest.mark.parametrize("name", bad.BAD)
def test_nothing_of_it_is_stored(name, corpus, alice, tmp_path):
    with pytest.raises(files.BadPicture):
        taken(alice, corpus[name])
    assert not Image.objects.exists()
    assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", bad.BAD)
def test_it_runs_in_no_browser_even_if_it_were_stored(name, corpus, alice, as_alice):
    """As when the file on the disk was exchanged behind our back."""
    image = make.image(alice)
    default_storage.save(image.file.name, io.BytesIO(corpus[name]))
    response = as_alice.get(f"/gallery/{image.pk}/file/")
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize(
    "mime", ["image/svg+xml", "text/html", "application/javascript", "text/plain"]
)
def test_what_can_run_is_never_shown_inline(mime, alice, as_alice):
    image = make.image(alice, mime_type=mime)
    response = as_alice.get(f"/gallery/{image.pk}/file/")
    assert response["Content-Disposition"].startswith("attachment")
    assert "sandbox" in response["Content-Security-Policy"]


@pytest.mark.parametrize("name", bad.ODD)
def test_an_odd_picture_is_kept_and_its_oddity_does_nothing(name, alice):
    content = bad.ODD[name]()
    image = taken(alice, content)
    assert image.media == "picture"
    assert image.file.read() == content
    assert (image.width, image.height) in ((200, 100), (8, 8))
    thumb = image.thumb_small.read()
    assert b"script" not in thumb
    assert thumb[8:12] == b"WEBP"


@pytest.mark.parametrize("name", bad.NAMES)
def test_a_name_leads_nowhere(name, alice, as_alice, tmp_path):
    image = taken(alice, make.png(), name)
    kept = image.source_name
    assert len(kept) <= 255
    assert not set(kept) & set("/\\\x00\r\n\u202e")
    assert not kept.startswith(".")
    stored = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(tmp_path / "files" / "images") for path in stored)
    header = as_alice.get(f"/gallery/{image.pk}/file/")["Content-Disposition"]
    assert "\n" not in header
    assert ".." not in header


def test_the_extension_and_the_claimed_kind_are_nobodys_word(alice):
    image = taken(alice, bad.saved("GIF"), "film.mp4")
    assert (image.mime_type, image.name[-4:]) == ("image/gif", ".gif")


@pytest.mark.parametrize("content", [bad.HLS, bad.CONCAT])
def test_ffmpeg_never_reads_a_playlist(content, monkeypatch):
    """Even if one were taken for a film: its demuxer is given, protocols are few."""
    for mime in ("video/mp4", "video/webm", "audio/mpeg", "audio/wav"):
        found = films.film(io.BytesIO(content), mime)
        assert found.poster is None
        assert found.seconds is None


def test_a_film_that_refers_to_other_files_reads_none_of_them():
    """`dref` with a path: ffmpeg follows none unless told so."""
    url = b"\0\0\0\0file:///etc/passwd\0"
    dinf = bad.box(b"dinf", bad.box(b"dref", bytes(7) + b"\1", bad.box(b"url ", url)))
    mdia = bad.box(b"mdia", bad.box(b"hdlr", bytes(8) + b"vide" + bytes(13)), dinf)
    film = bad.box(b"ftyp", b"isom", bytes(4))
    film += bad.box(b"moov", bad.box(b"trak", mdia))
    assert files.recognise(io.BytesIO(film), max_pixels=MAX).media == "video"
    assert films.film(io.BytesIO(film), "video/mp4").poster is None


LIMITED = """
import io, resource, sys
from PIL import Image
import django; django.setup()
from gallery import files
from tests.gallery import bad
used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = used()
for name in sys.argv[1:]:
    try:
        files.recognise(io.BytesIO(bad.BAD[name][1]()), max_pixels=200_000_000)
    except files.BadPicture:
        pass
print(used() - before)
"""


def test_bombs_cost_little_memory(tmp_path):
    names = [name for name in bad.BAD if "bomb" in name or "large" in name]
    names += ["webp of 256 megapixels", "gif with 100,000 frames"]
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, *names],
        capture_output=True,
        text=True,
        check=True,
        env={
            "DJANGO_SETTINGS_MODULE": "lifeos.settings",
            "LIFEOS_DATA": "/tmp/x-lifeos",
        },
    )
    assert int(run.stdout) < 150, run.stdout
