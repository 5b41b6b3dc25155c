from __future__ import annotations

import uuid

import httpx
import pytest

from generation.simulator import Simulator
from tests.simulator.conftest import MODEL, flat, recorded_graph, recording

GRAPH = "txt2img_with_previews"


async def refusal(client, graph, **body):
    answer = await client.post(graph, **body)
    assert answer.status_code == 400
    return answer.json()


async def test_bad_values_are_refused_as_recorded(client):
    graph = recorded_graph(GRAPH)
    graph["4"]["inputs"]["ckpt_name"] = "not-there.safetensors"
    graph["3"]["inputs"]["steps"] = 0
    body = await refusal(client, graph)
    assert body == recording("rejected_bad_values")["post_prompt"]["response"]
    assert list(body["node_errors"]) == ["4", "3"]


async def test_an_unknown_node_is_refused_as_recorded(client):
    graph = recorded_graph(GRAPH)
    graph["3"]["class_type"] = "NoSuchNode"
    body = await refusal(client, graph)
    assert body == recording("rejected_unknown_node")["post_prompt"]["response"]


async def test_a_graph_without_outputs_is_refused_as_recorded(client):
    graph = recorded_graph(GRAPH)
    del graph["9"]
    body = await refusal(client, graph)
    assert body == recording("rejected_no_outputs")["post_prompt"]["response"]


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("steps", 10001, "value_bigger_than_max"),
        ("cfg", "high", "invalid_input_type"),
        ("sampler_name", "magic", "value_not_in_list"),
        ("model", ["6", 0], "return_type_mismatch"),
        ("model", ["6", 0, 1], "bad_linked_input"),
        ("model", ["99", 0], "exception_during_inner_validation"),
        ("latent_image", ["3", 0], "dependency_cycle"),
        ("seed", None, "invalid_input_type"),
    ],
)
async def test_each_fault_of_an_input_has_its_name(client, name, value, kind):
    graph = recorded_graph(GRAPH)
    graph["3"]["inputs"][name] = value
    [error] = (await refusal(client, graph))["node_errors"]["3"]["errors"]
    assert error["type"] == kind


async def test_a_missing_input_is_named(client):
    graph = flat()
    del graph["1"]["inputs"]["width"]
    [error] = (await refusal(client, graph))["node_errors"]["1"]["errors"]
    assert error == {
        "type": "required_input_missing",
        "message": "Required input is missing",
        "details": "width",
        "extra_info": {"input_name": "width"},
    }


async def test_a_sound_output_runs_beside_a_broken_one(client):
    graph = flat()
    graph["3"] = {"class_type": "PreviewImage", "inputs": {}}
    answer = await client.post(graph)
    assert answer.status_code == 200
    assert list(answer.json()["node_errors"]) == ["3"]
    entry = await client.history(answer.json()["prompt_id"])
    assert list(entry["outputs"]) == ["2"]


@pytest.mark.parametrize("bad", ["7", uuid.uuid4().hex, str(uuid.uuid4()).upper(), 5])
async def test_an_id_must_be_a_canonical_uuid(client, bad):
    assert (await refusal(client, flat(), prompt_id=bad))["error"]["type"]


async def test_the_same_id_twice_runs_twice(client, simulator, http):
    prompt_id = str(uuid.uuid4())
    async with client.connected():
        for _ in range(2):
            assert (await client.run(flat(), prompt_id=prompt_id))[0] == prompt_id
    assert simulator.executions[prompt_id] == 2
    seen = (await http.get("/simulator/executions")).json()[prompt_id]
    assert seen["count"] == 2
    assert all(run["start"] <= run["end"] for run in seen["runs"])


async def test_the_queue_is_first_in_first_out_and_can_be_edited(
    client, simulator, http
):
    simulator.faults.hang = True
    ids = [(await client.post(flat(color=n))).json()["prompt_id"] for n in range(4)]
    async with client.connected():
        queue = (await http.get("/queue")).json()
        assert [item[1] for item in queue["queue_running"]] == ids[:1]
        assert [item[1] for item in queue["queue_pending"]] == ids[1:]
        await http.post("/queue", json={"delete": [ids[1]]})
        cancelled = await http.post(f"/api/jobs/{ids[2]}/cancel")
        assert cancelled.json() == {"cancelled": True}
        assert (await http.get("/prompt")).json()["exec_info"]["queue_remaining"] == 2
        simulator.faults.hang = False
        await http.post(f"/api/jobs/{ids[0]}/cancel")
    await client.history(ids[3])
    statuses = {
        j["id"]: j["status"] for j in (await http.get("/api/jobs")).json()["jobs"]
    }
    assert statuses == {ids[0]: "cancelled", ids[3]: "completed"}
    assert (await http.post("/api/jobs/unknown/cancel")).status_code == 404


async def test_an_interrupt_for_another_prompt_does_nothing(client, simulator, http):
    simulator.faults.hang = True
    prompt_id = (await client.post(flat())).json()["prompt_id"]
    await http.post("/interrupt", json={"prompt_id": str(uuid.uuid4())})
    assert (await http.get(f"/api/jobs/{prompt_id}")).json()["status"] == "in_progress"
    await http.post("/interrupt")
    assert (await client.history(prompt_id))["status"]["status_str"] == "error"


async def test_only_what_changed_runs_again(client):
    graph = recorded_graph(GRAPH)
    async with client.connected():
        await client.run(graph)
        graph["3"]["inputs"]["seed"] += 1
        _, frames = await client.run(graph)
    ran = [f["data"]["node"] for f in frames if f.get("type") == "executing"]
    assert ran == ["3", "8", "9", None]


async def test_nodes_can_be_left_out_and_models_chosen():
    simulator = Simulator(
        speed=0, models=["a.safetensors"], without_nodes=["SaveImage"]
    )
    await simulator.start()
    try:
        assert "SaveImage" not in simulator.catalog
        loader = simulator.catalog["CheckpointLoaderSimple"]
        assert loader["input"]["required"]["ckpt_name"][0] == ["a.safetensors"]
    finally:
        await simulator.stop()
    with pytest.raises(ValueError, match="NoSuchNode"):
        Simulator(without_nodes=["NoSuchNode"])


async def test_what_the_server_is(http):
    info = (await http.get("/api/object_info")).json()
    assert info["KSampler"]["input"]["required"]["steps"][1]["min"] == 1
    assert (await http.get("/object_info/KSampler")).json() == {
        "KSampler": info["KSampler"]
    }
    assert (await http.get("/object_info/Nothing")).json() == {}
    assert (await http.get("/models/checkpoints")).json() == [MODEL]
    assert (await http.get("/models/nothing")).status_code == 404
    assert (await http.get("/features")).json()["supports_preview_metadata"] is True
    stats = (await http.get("/system_stats")).json()
    assert stats["system"]["comfyui_version"] == "0.26.0"
    assert stats["devices"][0]["vram_total"] > stats["devices"][0]["vram_free"]


async def test_a_running_simulator_can_be_moved(simulator, http, client):
    url = await simulator.start(port=0)
    assert url == simulator.url
    async with httpx.AsyncClient(base_url=url) as moved:
        client.http = moved
        prompt_id = (await client.post(flat())).json()["prompt_id"]
        assert (await client.history(prompt_id))["status"]["completed"] is True
