"""Frames, history and jobs against what a real server sent."""

from __future__ import annotations

import json
import struct

import pytest

from tests.simulator.conftest import Client, flat, recorded_graph, recording

# What no two runs share; the rest must be equal.
VARYING = ("t", "prompt_id", "timestamp", "sid", "filename", "traceback", "create_time")


def shape(value, key=""):
    """A value with what varies from run to run replaced by its type's name."""
    if isinstance(value, dict):
        if key == "data" and set(value) >= {"supports_preview_metadata"}:
            return "features"
        return {k: shape(v, k) for k, v in value.items() if k != "t"}
    if key in VARYING or key == "exception_message":
        return type(value).__name__
    if isinstance(value, list):
        if key == "executed":
            return sorted(value)
        return [shape(each, key) for each in value]
    return [type(value).__name__, value]


def shapes(frames):
    found = []
    for frame in frames:
        if frame.get("binary"):
            found.append(("binary", frame["event_type"]))
        else:
            found.append(shape(frame))
    return found


@pytest.mark.parametrize(
    ("name", "metadata"),
    [("txt2img_with_previews", True), ("model_free_subfolder_and_temp", False)],
)
async def test_frames_are_those_of_a_real_server(client, name, metadata):
    async with client.connected(metadata):
        _, frames = await client.run(recorded_graph(name))
    assert shapes(frames) == shapes(recording(name)["frames"])


async def test_a_batch_differs_from_the_recording_only_by_previews(client):
    async with client.connected():
        _, frames = await client.run(recorded_graph("txt2img_batch_of_2"))
    told = [each for each in shapes(frames) if each != ("binary", 1)]
    assert told == shapes(recording("txt2img_batch_of_2")["frames"])
    assert shapes(frames).count(("binary", 1)) == 6


async def test_an_identical_prompt_names_the_same_files_at_once(client):
    graph = recorded_graph("identical_prompt_again_fully_cached")
    async with client.connected():
        _, first = await client.run(graph)
        _, again = await client.run(graph)
    # The recording's client had just connected, so it begins with one status more.
    wanted = recording("identical_prompt_again_fully_cached")["frames"]
    assert shapes(again) == shapes(wanted[1:])
    outputs = [
        f["data"]["output"] for f in [*first, *again] if f.get("type") == "executed"
    ]
    assert outputs[0] == outputs[1]


async def test_an_interrupted_run_ends_as_recorded(client, simulator, http):
    name = "interrupted_mid_run"
    simulator.faults.hang = True
    async with client.connected():
        answer = await client.post(recorded_graph(name))
        while (frame := await client.receive()).get("type") != "executing":
            pass
        assert frame["data"]["node"] == "4"
        await http.post("/interrupt", json={"prompt_id": answer.json()["prompt_id"]})
        frames = await client.frames_until("execution_interrupted")
    wanted = recording(name)["frames"][-1]
    assert frames[-1]["data"].keys() == wanted["data"].keys()
    assert frames[-1]["data"]["node_type"] == "CheckpointLoaderSimple"
    entry = await client.history(answer.json()["prompt_id"])
    assert entry["status"]["status_str"] == "error"
    job = (await http.get(f"/api/jobs/{answer.json()['prompt_id']}")).json()
    assert job["status"] == "cancelled"
    assert job.keys() == recording(name)["job"].keys()


async def test_a_broken_upload_fails_as_recorded(client, http):
    files = {"image": ("broken.png", b"this is no picture")}
    await http.post("/upload/image", files=files)
    name = "execution_error"
    async with client.connected():
        prompt_id, frames = await client.run(recorded_graph(name))
    wanted = recording(name)
    # After the error come a status and the null that the recording did not wait for.
    assert shapes(frames)[:-2] == shapes(wanted["frames"])
    job = (await http.get(f"/api/jobs/{prompt_id}")).json()
    assert job["status"] == "failed"
    assert job.keys() == wanted["job"].keys()
    assert "cannot identify image file" in job["execution_error"]["exception_message"]


@pytest.mark.parametrize(
    "name", ["txt2img_with_previews", "model_free_subfolder_and_temp"]
)
async def test_history_and_job_have_the_recorded_shape(client, http, name):
    async with client.connected():
        prompt_id, _ = await client.run(recorded_graph(name))
    wanted = recording(name)
    [recorded] = wanted["history"].values()
    entry = await client.history(prompt_id)
    assert shape(entry["outputs"]) == shape(recorded["outputs"])
    assert shape(entry["status"]) == shape(recorded["status"])
    assert entry["meta"] == recorded["meta"]
    assert [type(each) for each in entry["prompt"]] == [
        type(each) for each in recorded["prompt"]
    ]
    job = (await http.get(f"/api/jobs/{prompt_id}")).json()
    assert job.keys() == wanted["job"].keys()
    assert job["outputs_count"] == wanted["job"]["outputs_count"]
    listed = (await http.get("/api/jobs")).json()
    assert listed["pagination"].keys() == wanted["jobs"]["pagination"].keys()
    assert [each["id"] for each in listed["jobs"]] == [prompt_id]


async def test_previews_are_jpegs_with_metadata_for_those_who_ask(client):
    async with client.connected(metadata=True):
        prompt_id, frames = await client.run(recorded_graph("txt2img_with_previews"))
    content = next(frame["content"] for frame in frames if frame.get("binary"))
    length = struct.unpack(">I", content[4:8])[0]
    metadata = json.loads(content[8 : 8 + length])
    assert metadata["prompt_id"] == prompt_id
    assert metadata["image_type"] == "image/jpeg"
    assert content[8 + length :].startswith(b"\xff\xd8")


async def test_frames_go_to_the_poster_and_status_to_all(client, simulator, http):
    other = Client(simulator, http)
    async with client.connected(), other.connected():
        await client.run(flat())
        seen = [await other.receive() for _ in range(4)]
    assert [frame["type"] for frame in seen] == ["status"] * 4
    remaining = [f["data"]["status"]["exec_info"]["queue_remaining"] for f in seen]
    assert remaining == [0, 1, 1, 0]


async def test_reconnecting_repeats_what_executes(client, simulator, http):
    simulator.faults.hang = True
    async with client.connected():
        await client.post(flat())
        while (await client.receive())["type"] != "executing":
            pass
    async with client.connected():
        assert (await client.receive())["data"]["sid"] == client.id
        assert await client.receive() == {"type": "executing", "data": {"node": "1"}}


async def test_a_foreign_origin_is_refused(http, simulator):
    foreign = await http.get("/queue", headers={"Origin": "https://evil.example"})
    own = await http.get("/queue", headers={"Origin": simulator.url})
    assert (foreign.status_code, own.status_code) == (403, 200)
