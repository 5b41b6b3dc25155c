"""What pictures of several tools tell of how they were made; whatever they hold."""

from __future__ import annotations

import contextlib
import io
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from generation import metadata
from generation.metadata import Lora, NoSettings, Settings
from generation.metadata.readers import from_texts
from generation.metadata.samplers import names
from tests import make

A1111 = """a quay, <lora:harbour_v2:0.8> fog <lora:ink>
second line
Negative prompt: blurry, "bad"
text
Steps: 28, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 1234567890123, \
Size: 512x768, Model hash: abc, Model: dreamshaper_8, Denoising strength: 0.4, \
Clip skip: 2, Hires upscale: 2, Hires steps: 10, Lora hashes: "harbour_v2: 1, ink: 2", \
Version: v1.10"""
SWARM = {
    "sui_image_params": {
        "prompt": "a quay",
        "negativeprompt": "blurry",
        "model": "SDXL/base",
        "seed": 42,
        "steps": 25,
        "cfgscale": 5,
        "width": 1024,
        "height": 768,
        "sampler": "dpmpp_2m",
        "scheduler": "karras",
        "loras": ["ink", "fog"],
        "loraweights": ["0.5", "1"],
    }
}
INVOKE = {
    "positive_prompt": "a quay",
    "negative_prompt": "blurry",
    "seed": 7,
    "steps": 30,
    "cfg_scale": 7.5,
    "scheduler": "dpmpp_2m_sde_k",
    "width": 640,
    "height": 512,
    "model": {"name": "dream"},
    "loras": [{"model": {"name": "ink"}, "weight": 0.7}],
}


def png(**texts):
    info = PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text)
    return io.BytesIO(make.png(pnginfo=info))


def with_exif(kind, tags=None, comment=None):
    exif = Pillow.Exif()
    for tag, text in (tags or {}).items():
        exif[tag] = text
    if comment is not None:
        exif.get_ifd(0x8769)[0x9286] = comment
    out = io.BytesIO()
    Pillow.new("RGB", (8, 8)).save(out, kind, exif=exif)
    out.seek(0)
    return out


def graph():
    return make.starter("text-to-image")["graph"]


def test_the_text_of_a1111_and_forge():
    found = metadata.read(png(parameters=A1111))
    assert found == Settings(
        tool="A1111",
        prompt="a quay,  fog \nsecond line",
        negative_prompt='blurry, "bad"\ntext',
        seed=1234567890123,
        steps=28,
        cfg=6.5,
        sampler="dpmpp_2m",
        scheduler="karras",
        width=512,
        height=768,
        model="dreamshaper_8",
        loras=(Lora("harbour_v2", 0.8), Lora("ink", 1.0)),
        denoise=0.4,
        others=("Clip skip", "Hires fix"),
    )


@pytest.mark.parametrize("order", ["utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_the_same_text_in_exif(kind, order):
    comment = b"UNICODE\0" + A1111.encode(order)
    assert metadata.read(with_exif(kind, comment=comment)).steps == 28


def test_the_json_of_swarmui():
    found = metadata.read(png(parameters=json.dumps(SWARM)))
    assert (found.tool, found.prompt, found.seed) == ("SwarmUI", "a quay", 42)
    assert (found.sampler, found.scheduler) == ("dpmpp_2m", "karras")
    assert (found.width, found.height, found.cfg) == (1024, 768, 5.0)
    assert found.loras == (Lora("ink", 0.5), Lora("fog", 1.0))


def test_the_json_of_invokeai():
    found = metadata.read(png(invokeai_metadata=json.dumps(INVOKE)))
    assert (found.tool, found.model, found.seed) == ("InvokeAI", "dream", 7)
    assert (found.sampler, found.scheduler) == ("dpmpp_2m_sde", "karras")
    assert found.loras == (Lora("ink", 0.7),)


def test_the_graph_of_comfyui_and_so_of_ours():
    known = graph()
    known["6"]["inputs"]["text"] = "a quay"
    known["3"]["inputs"] |= {"seed": 2**64 - 1, "steps": 9}
    found = metadata.read(png(prompt=json.dumps(known), workflow="{}"))
    assert (found.tool, found.prompt) == ("ComfyUI", "a quay")
    assert (found.seed, found.steps) == (2**64 - 1, 9)
    assert (found.width, found.height) == (512, 512)
    assert found.graph == known


def test_the_graph_in_the_exif_of_a_webp():
    tags = {0x0110: "prompt:" + json.dumps(graph()), 0x010F: "workflow:{}"}
    assert metadata.read(with_exif("WEBP", tags)).graph == graph()


def test_a_changed_flag_that_is_no_number_does_no_harm():
    text = json.dumps(graph()).replace('"_meta"', '"is_changed": [NaN], "_meta"', 1)
    assert metadata.read(png(prompt=text)).steps == 20


@pytest.mark.parametrize(
    ("sampler", "scheduler", "ours"),
    [
        ("DPM++ 2M Karras", "", ("dpmpp_2m", "karras")),
        ("DPM++ 2M", "Karras", ("dpmpp_2m", "karras")),
        ("DPM++ 2M SDE Heun Exponential", "", ("dpmpp_2m_sde_heun", "exponential")),
        ("DPM++ 2S a Karras", "", ("dpmpp_2s_ancestral", "karras")),
        ("DPM++ SDE", "Automatic", ("dpmpp_sde", "")),
        ("Euler a", "", ("euler_ancestral", "")),
        ("Euler", "SGM Uniform", ("euler", "sgm_uniform")),
        ("euler_a", "", ("euler_ancestral", "")),
        ("UniPC", "Beta", ("uni_pc", "beta")),
        ("dpmpp_3m_sde_gpu", "kl_optimal", ("dpmpp_3m_sde_gpu", "kl_optimal")),
        ("Something new", "Odd", ("Something new", "Odd")),
    ],
)
def test_samplers_by_other_names(sampler, scheduler, ours):
    assert names(sampler, scheduler) == ours


def test_every_name_of_comfyui_is_left_as_it_is():
    inputs = make.recording("object_info")["KSampler"]["input"]["required"]
    for sampler in inputs["sampler_name"][0]:
        assert names(sampler)[0] == sampler
    for scheduler in inputs["scheduler"][0]:
        assert names("", scheduler)[1] == scheduler


@pytest.mark.parametrize(
    "file", [b"", b"no picture", make.png()[:40], b"GIF89a", make.png()]
)
def test_a_file_without_settings_is_refused_in_words(file):
    with pytest.raises(NoSettings, match="picture"):
        metadata.read(io.BytesIO(file))


def test_a_flood_of_nodes_is_no_graph():
    flood = {str(n): {"class_type": "A", "inputs": {}} for n in range(501)}
    assert from_texts({"prompt": json.dumps(flood)}) is None


def test_circles_within_circles_are_read_at_once():
    half = 249
    texts = ["text", "text_g", "prompt", "clip_l", "t5xxl", "string", "value"]
    circles = {"s": {"class_type": "K", "inputs": {"positive": ["c0", 0], "seed": 1}}}
    for n in range(half):
        after = (n + 1) % half
        inputs = {name: ["v0", 0] for name in texts} | {
            "conditioning": [f"c{after}", 0]
        }
        circles[f"c{n}"] = {"class_type": "X", "inputs": inputs}
        circles[f"v{n}"] = {"class_type": "X", "inputs": {"value": [f"v{after}", 0]}}
    begun = time.process_time()
    assert from_texts({"prompt": json.dumps(circles)}).prompt == ""
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 100_000,
        '{"1": {"class_type": "K", "inputs": {"cfg": ' + "9" * 5000 + "}}}",
        '{"sui_image_params": {"prompt": "\\ud800", "seed": 1e999, "loras": [[]]}}',
        "Steps: " + "a" * 200_000,
        "Steps: " + '"' * 100_001,
        "<lora:" * 50_000 + "\nSteps: 1",
    ],
)
def test_hostile_texts_are_read_or_refused_at_once(text):
    for name in ("parameters", "prompt", "UserComment", "invokeai_metadata"):
        found = from_texts({name: text})
        if found:
            repr(found).encode()


INPUTS = (
    "model positive negative seed text lora_name cfg width height denoise steps clip"
    " guider sampler_name conditioning"
)
fitting = st.sampled_from(INPUTS.split())
links = st.tuples(st.sampled_from("123"), st.integers(0, 2)).map(list)
value = st.one_of(links, st.text(), st.integers(), st.floats(), st.none())
nodes = st.fixed_dictionaries(
    {
        "class_type": st.sampled_from(["KSampler", "EmptyLatentImage", "X"]),
        "inputs": st.dictionaries(fitting, value, max_size=12),
    }
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("123"), nodes, max_size=3))
def test_no_graph_raises(odd):
    found = from_texts({"prompt": json.dumps(odd)})
    if found:
        repr(found).encode()
        assert found.seed is None or 0 <= found.seed < 2**64


@given(
    st.sampled_from([*SWARM["sui_image_params"]]),
    st.sampled_from([*INVOKE]),
    anything,
)
def test_no_json_raises(swarm_key, invoke_key, odd):
    swarm = {"sui_image_params": SWARM["sui_image_params"] | {swarm_key: odd}}
    from_texts({"parameters": json.dumps(swarm)})
    from_texts({"invokeai_metadata": json.dumps(INVOKE | {invoke_key: odd})})


@given(st.text(), st.text(), st.text())
def test_no_text_raises(prompt, name, told):
    from_texts(
        {"parameters": f"{prompt}<lora:{name}:{told}>\nSteps: 1, {name}: {told}"}
    )


@given(st.binary(max_size=300), st.sampled_from([b"", b"UNICODE\0", b"ASCII\0\0\0"]))
def test_no_comment_raises(data, start):
    with contextlib.suppress(NoSettings):
        metadata.read(with_exif("JPEG", comment=start + data))


@given(st.binary(max_size=200), st.integers(8, 200))
def test_no_damaged_file_raises(noise, at):
    whole = png(parameters=A1111).getvalue()
    with contextlib.suppress(NoSettings):
        metadata.read(io.BytesIO(whole[:at] + noise + whole[at + len(noise) :]))
