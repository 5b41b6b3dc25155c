from __future__ import annotations

import io
import json

import httpx
import pytest
from PIL import Image, ImageChops

from generation.simulator import Simulator
from generation.simulator.pictures import Scene, draw
from tests.simulator.conftest import flat, recorded_graph

GRAPH = "txt2img_with_previews"


def png(color, size=(40, 30)):
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return buffer.getvalue()


async def upload(http, content, name="a.png", **data):
    return await http.post("/upload/image", files={"image": (name, content)}, data=data)


async def saved(client, graph):
    """Run a graph and return the first file of its first output, decoded."""
    prompt_id = (await client.post(graph)).json()["prompt_id"]
    outputs = (await client.history(prompt_id))["outputs"]
    file = next(iter(outputs.values()))["images"][0]
    answer = await client.http.get("/view", params=file)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    return image


async def test_a_flat_picture_is_what_comfyui_gives(client):
    image = await saved(client, flat(color=0x336699))
    assert image.size == (64, 48)
    assert image.getcolors() == [(64 * 48, (0x33, 0x66, 0x99))]


async def test_pictures_carry_their_workflow(client):
    graph = recorded_graph(GRAPH)
    image = await saved(client, graph)
    assert image.size == (192, 128)
    assert json.loads(image.text["prompt"]) == graph


def test_same_seed_same_picture_other_seed_other_picture():
    first = draw(Scene("a lighthouse", "", 1), (96, 64))
    assert draw(Scene("a lighthouse", "", 1), (96, 64)).tobytes() == first.tobytes()
    others = [
        Scene("a lighthouse", "", 2),
        Scene("a tower", "", 1),
        Scene("a lighthouse", "blurry", 1),
        Scene("a lighthouse", "", 1, index=1),
    ]
    for other in others:
        assert draw(other, (96, 64)).tobytes() != first.tobytes()


@pytest.mark.parametrize("size", [(16, 16), (64, 1024), (1024, 64), (1600, 900)])
def test_every_size_can_be_drawn(size):
    for seed in range(6):
        assert draw(Scene("any", "", seed), size).size == size


async def test_denoise_decides_how_much_of_the_upload_is_left(client, http):
    await upload(http, png((250, 20, 20), (64, 64)))
    graph = recorded_graph(GRAPH)
    graph["1"] = {"class_type": "LoadImage", "inputs": {"image": "a.png"}}
    graph["5"] = {
        "class_type": "VAEEncode",
        "inputs": {"pixels": ["1", 0], "vae": ["4", 2]},
    }

    async def distance(denoise):
        graph["3"]["inputs"]["denoise"] = denoise
        image = (await saved(client, graph)).crop((0, 0, 64, 40))
        red = Image.new("RGB", image.size, (250, 20, 20))
        bands = ImageChops.difference(image, red).split()
        return sum(sum(n * v for v, n in enumerate(b.histogram())) for b in bands)

    assert await distance(0.0) == 0
    assert 0 < await distance(0.2) < await distance(0.6)


async def test_an_upload_never_replaces_a_different_one(http):
    names = []
    for color in ("red", "blue", "red"):
        answer = await upload(http, png(color))
        names.append(answer.json()["name"])
    assert names == ["a.png", "a (1).png", "a.png"]
    assert answer.json() == {"name": "a.png", "subfolder": "", "type": "input"}
    replaced = await upload(http, png("green"), overwrite="true")
    assert replaced.json()["name"] == "a.png"
    info = (await http.get("/object_info/LoadImage")).json()["LoadImage"]
    assert info["input"]["required"]["image"][0] == ["a (1).png", "a.png"]


async def test_a_mask_becomes_the_alpha_of_the_original(http):
    await upload(http, png("red"))
    mask = io.BytesIO()
    Image.new("RGBA", (40, 30), (0, 0, 0, 77)).save(mask, "PNG")
    original = json.dumps({"filename": "a.png", "type": "input"})
    answer = await http.post(
        "/upload/mask",
        files={"image": ("mask.png", mask.getvalue())},
        data={"original_ref": original},
    )
    file = {"filename": answer.json()["name"], "type": "input"}
    content = (await http.get("/view", params=file)).content
    assert Image.open(io.BytesIO(content)).getpixel((0, 0)) == (255, 0, 0, 77)


async def test_too_large_an_upload_is_refused():
    simulator = Simulator(speed=0, max_upload=10_000)
    url = await simulator.start()
    async with simulator, httpx.AsyncClient(base_url=url) as http:
        assert (await upload(http, b"x" * 20_000)).status_code == 413


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"filename": "../secret"}, 400),
        ({"filename": "/etc/passwd"}, 400),
        ({"filename": "a.png", "type": "elsewhere"}, 400),
        ({"filename": "passwd", "subfolder": "../../../../etc"}, 403),
        ({"filename": "passwd", "subfolder": "/etc"}, 403),
        ({"filename": "nothing.png"}, 404),
        ({}, 404),
    ],
)
async def test_view_stays_inside_its_folders(http, params, status):
    assert (await http.get("/view", params=params)).status_code == status


@pytest.mark.parametrize("place", [{"subfolder": "../.."}, {"type": "../x"}])
async def test_uploads_stay_inside_their_folder(http, place):
    assert (await upload(http, png("red"), **place)).status_code == 400


async def test_a_prefix_cannot_leave_the_output_folder(client):
    graph = flat()
    graph["2"]["inputs"]["filename_prefix"] = "../../out"
    prompt_id = (await client.post(graph)).json()["prompt_id"]
    assert (await client.history(prompt_id))["status"]["status_str"] == "error"


async def test_names_count_up_and_know_the_size(client):
    names = []
    for color in (1, 2):
        graph = flat(color=color)
        graph["2"]["inputs"]["filename_prefix"] = "day/%width%x%height%"
        prompt_id = (await client.post(graph)).json()["prompt_id"]
        [file] = (await client.history(prompt_id))["outputs"]["2"]["images"]
        names.append((file["subfolder"], file["filename"]))
    assert names == [("day", "64x48_00001_.png"), ("day", "64x48_00002_.png")]


async def test_scripts_are_only_downloaded(http):
    await upload(http, b"<script>alert(1)</script>", "page.html")
    answer = await http.get("/view", params={"filename": "page.html", "type": "input"})
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


async def test_a_preview_is_a_smaller_format(http):
    await upload(http, png("red"))
    file = {"filename": "a.png", "type": "input", "preview": "webp;50"}
    answer = await http.get("/view", params=file)
    assert answer.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(answer.content)).format == "WEBP"
