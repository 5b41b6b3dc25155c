"""Films, sounds, models and texts: known, kept, previewed, put out by a server."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import struct
import uuid
import wave
from dataclasses import asdict
from pathlib import Path

import pytest

from gallery import intake
from gallery.models import Image
from generation import results, simulator
from generation.border import in_thread
from generation.comfy.run import Output, flatten
from generation.comfy.run import results as run_results
from tests import make
from tests.gallery import bad

FILM = (Path(simulator.__file__).parent / "sample.mp4").read_bytes()
HAS_FFMPEG = shutil.which("ffmpeg") is not None
needs_ffmpeg = pytest.mark.skipif(
    not HAS_FFMPEG and "CI" not in os.environ, reason="ffmpeg is not installed"
)


def wav(seconds=0.5):
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\x20" * int(8000 * seconds))
    return out.getvalue()


def animation(kind, count=3):
    frames = [make.Pillow.new("RGB", (40, 30), (60 * n, 0, 0)) for n in range(count)]
    out = io.BytesIO()
    more = {"append_images": frames[1:], "save_all": True, "duration": 200}
    frames[0].save(out, kind, **more)
    return out.getvalue()


def glb():
    text = json.dumps({"asset": {"version": "2.0"}}).encode().ljust(40)
    chunk = struct.pack("<I4s", len(text), b"JSON") + text
    return b"glTF" + struct.pack("<II", 2, 12 + len(chunk)) + chunk


def page(kind):
    head = b"OggS\0\x02" + bytes(20) + b"\x01" + bytes([len(kind)])
    return head + kind


KNOWN = {
    "webp": (lambda: animation("WEBP"), "animation", "image/webp"),
    "gif": (lambda: animation("GIF"), "animation", "image/gif"),
    "apng": (lambda: animation("PNG"), "animation", "image/png"),
    "mp4": (lambda: FILM, "video", "video/mp4"),
    "wav": (wav, "audio", "audio/wav"),
    "flac": (lambda: b"fLaC\0\0\0\x22" + bytes(34), "audio", "audio/flac"),
    "opus": (lambda: page(b"OpusHead" + bytes(11)), "audio", "audio/ogg"),
    "ogg": (lambda: page(b"\x01vorbis" + bytes(23)), "audio", "audio/ogg"),
    "mp3": (lambda: (b"\xff\xfb\x90\x00" + bytes(413)) * 3, "audio", "audio/mpeg"),
    "glb": (glb, "model", "model/gltf-binary"),
    "gltf": (lambda: b'{"asset": {"version": "2.0"}}', "model", "model/gltf+json"),
    "obj": (
        lambda: b"# a cube\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "model",
        "model/obj",
    ),
    "stl": (lambda: bytes(80) + b"\1\0\0\0" + bytes(50), "model", "model/stl"),
    "ply": (
        lambda: b"ply\nformat ascii 1.0\nelement vertex 1\nend_header\n0 0 0\n",
        "model",
        "model/ply",
    ),
    "txt": (
        lambda: "Ein Leuchtturm, größer als gedacht".encode(),
        "text",
        "text/plain",
    ),
    "json": (lambda: b'{"words": ["a", "b"]}', "text", "application/json"),
}


def taken(owner, content, **options):
    row = Image(id=uuid.uuid4(), owner=owner, node="", kind="upload", index=0)
    return intake.take(io.BytesIO(content), row, **options)


@pytest.mark.parametrize("name", KNOWN)
def test_each_kind_is_known_kept_and_has_a_look(name, alice):
    build, media, mime = KNOWN[name]
    content = build()
    image = taken(alice, content)
    assert (image.media, image.mime_type) == (media, mime)
    assert image.file.read() == content
    assert image.width > 0 < image.height
    with make.Pillow.open(image.thumb_small) as thumb:
        assert thumb.format == "WEBP"
        assert abs(thumb.width / thumb.height - image.width / image.height) < 0.1


@pytest.mark.parametrize("name", ["webp", "gif", "apng"])
def test_an_animation_plays_for_as_long_as_its_frames(name, alice):
    assert taken(alice, KNOWN[name][0]()).seconds == pytest.approx(0.6)


@needs_ffmpeg
def test_a_film_has_its_size_its_length_and_a_frame_of_it(alice):
    image = taken(alice, FILM)
    assert (image.width, image.height, image.seconds) == (160, 96, 1.5)
    with make.Pillow.open(image.thumb_small) as thumb:
        red, _green, blue = thumb.convert("RGB").getpixel((150, 10))
    assert blue > red + 20  # the film's ground, not a tile's


@needs_ffmpeg
def test_a_sound_has_its_length(alice):
    assert taken(alice, wav(2)).seconds == 2.0


@pytest.mark.parametrize("name", ["mp4", "wav"])
def test_without_ffmpeg_a_tile_is_drawn(name, alice, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    image = taken(alice, KNOWN[name][0]())
    assert image.seconds is None
    assert (image.width, image.height) == (960, 600)


def test_a_film_is_played_by_ranges(alice, as_alice):
    image = taken(alice, FILM)
    response = as_alice.get(f"/gallery/{image.pk}/file/", headers={"Range": "bytes=9-"})
    assert response.status_code == 206
    assert response["Content-Type"] == "video/mp4"
    assert response["Content-Disposition"].startswith("inline")
    assert b"".join(response.streaming_content) == FILM[9:]


@pytest.mark.parametrize("name", ["txt", "json", "glb", "obj"])
def test_what_browsers_need_not_show_is_a_download(name, alice, as_alice):
    image = taken(alice, KNOWN[name][0]())
    response = as_alice.get(f"/gallery/{image.pk}/file/")
    assert response["Content-Disposition"].startswith("attachment")


# From a server --------------------------------------------------------------------


@pytest.fixture
def saving(alice):
    job = make.job(alice, status="saving")
    return job, make.attempt(job, make.server())


def test_a_text_that_is_no_file_is_kept_whatever_it_says(saving, alice):
    job, attempt = saving
    attempt.outputs = [
        {"node": "9", "kind": "text", "index": 0, "text": bad.SCRIPT.decode()},
        {"node": "9", "kind": "text", "index": 1, "text": "  \n"},
        {"node": "8", "kind": "result", "index": 0, "text": "model.glb"},
    ]
    results.collect(job, attempt)
    job.refresh_from_db()
    assert job.status == "done"
    image = Image.objects.get()
    assert (image.media, image.mime_type) == ("text", "text/plain")
    assert image.file.read() == bad.SCRIPT
    assert image.provenance.graph == job.graph
    # What came alone is in no stack.
    assert (image.stack, image.leads) == (None, True)


def test_what_came_together_is_a_stack(saving):
    job, attempt = saving
    attempt.outputs = [
        {"node": "9", "kind": "text", "index": index, "text": f"line {index}"}
        for index in range(3)
    ]
    results.collect(job, attempt)
    rows = Image.objects.order_by("index").values_list("stack", "leads")
    assert list(rows) == [(job.pk, True), (job.pk, False), (job.pk, False)]


def test_the_same_output_twice_is_one_row(saving):
    output = Output("9", "images", 0, "a.mp4", "", "output", animated=True)
    for _ in range(2):
        results._store(*saving, output, io.BytesIO(FILM), None)
    assert Image.objects.get().source_name == "a.mp4"


def test_a_bad_output_fails_the_job_with_its_reason(saving, monkeypatch):
    job, attempt = saving
    attempt.outputs = [
        {"node": "9", "kind": "images", "index": 0, "filename": "a.png"},
        {"node": "9", "kind": "text", "index": 0, "text": "well"},
    ]

    def take(job, attempt, output, stack):
        results._store(job, attempt, output, io.BytesIO(bad.SVG), stack)

    monkeypatch.setattr(results, "_take", take)
    results.collect(job, attempt)
    job.refresh_from_db()
    assert job.status == "failed"
    assert "1 of 2 outputs" in job.error
    assert "SVG" in job.error_detail
    assert Image.objects.get().media == "text"


GRAPH = make.starter("text-to-image")["graph"]
del GRAPH["9"]
GRAPH["4"]["inputs"]["ckpt_name"] = "simulated-sd15.safetensors"
GRAPH["5"]["inputs"] |= {"width": 64, "height": 64, "batch_size": 3}
GRAPH |= {
    "20": {
        "class_type": "SaveAnimatedWEBP",
        "inputs": {
            "images": ["8", 0],
            "filename_prefix": "moves",
            "fps": 5.0,
            "lossless": False,
            "quality": 80,
            "method": "default",
        },
    },
    "30": {"class_type": "CreateVideo", "inputs": {"images": ["8", 0], "fps": 24.0}},
    "40": {
        "class_type": "SaveVideo",
        "inputs": {
            "video": ["30", 0],
            "filename_prefix": "video/film",
            "format": "auto",
            "codec": "auto",
        },
    },
    "50": {
        "class_type": "EmptyAudio",
        "inputs": {"duration": 1.0, "sample_rate": 8000, "channels": 1},
    },
    "60": {
        "class_type": "SaveAudio",
        "inputs": {"audio": ["50", 0], "filename_prefix": "audio/sound"},
    },
    "70": {"class_type": "PreviewAny", "inputs": {"source": "a harbour at dusk"}},
}


@pytest.mark.django_db(transaction=True)
async def test_a_server_puts_out_every_kind():
    """Through HTTP and back: the simulator runs it, intake fetches and keeps it."""

    def prepare(url):
        job = make.job(make.user("alice"), status="saving")
        return job, make.attempt(job, make.server(url=url))

    async with simulator.Simulator(speed=0) as server:
        job, attempt = await in_thread(prepare)(server.url)
        async with attempt.server.client("lifeos-test") as client:
            await client.submit(str(attempt.pk), GRAPH)
            entry = await _history(client, str(attempt.pk))
        outputs = run_results(flatten(entry.outputs, GRAPH))
        attempt.outputs = [asdict(output) for output in outputs]
        await in_thread(results.collect)(job, attempt)
    kept = await in_thread(lambda: {i.media: i for i in Image.objects.all()})()
    assert set(kept) == {"animation", "video", "audio", "text"}
    assert kept["animation"].seconds == pytest.approx(0.6)
    assert kept["text"].file.read() == b"a harbour at dusk"
    assert kept["video"].file.read() == FILM


async def _history(client, prompt_id):
    async with asyncio.timeout(20):
        while (entry := await client.history(prompt_id)) is None:
            await asyncio.sleep(0.02)
    return entry
