from __future__ import annotations

import asyncio
import io
import time

import httpx
import pytest
import websockets
from PIL import Image

from generation.simulator import HttpError, Simulator
from generation.simulator.faults import Faults, parse_fault
from tests.simulator.conftest import MODEL, Client, flat, recorded_graph, recording


async def test_drop_cuts_every_socket(client, simulator):
    async with client.connected():
        await client.receive()
        simulator.faults.drop_sockets()
        with pytest.raises(websockets.ConnectionClosedError):
            await client.receive()
    async with client.connected():
        assert (await client.receive())["type"] == "status"


async def test_a_half_open_socket_stays_open_and_silent(client, simulator, http):
    other = Client(simulator, http)
    async with client.connected():
        await client.receive()
        simulator.faults.half_open()
        async with other.connected():
            prompt_id = (await client.post(flat())).json()["prompt_id"]
            await client.history(prompt_id)
            # The other socket has seen the end, so this one would have, too.
            for _ in range(4):
                await other.receive()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.socket.recv()
        await (await client.socket.ping())


async def test_silence_sends_no_frame_but_works(client, simulator):
    simulator.faults.silence = True
    async with client.connected():
        prompt_id = (await client.post(flat())).json()["prompt_id"]
        entry = await client.history(prompt_id)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.socket.recv()
    assert entry["status"]["completed"] is True


async def test_a_restart_forgets_all_but_the_output_files(client, simulator, http):
    graph = flat()
    graph["3"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    prompt_id = (await client.post(graph)).json()["prompt_id"]
    outputs = (await client.history(prompt_id))["outputs"]
    [kept], [gone] = outputs["2"]["images"], outputs["3"]["images"]
    url = simulator.url
    simulator.faults.hang = True
    await client.post(flat(color=2))
    async with client.connected():
        await client.receive()
        await simulator.faults.restart()
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                await client.receive()
    assert simulator.url == url
    assert (await http.get(f"/history/{prompt_id}")).json() == {}
    assert (await http.get("/prompt")).json() == {"exec_info": {"queue_remaining": 0}}
    assert (await http.get("/view", params=kept)).status_code == 200
    assert (await http.get("/view", params=gone)).status_code == 404
    assert simulator.executions[prompt_id] == 1


async def test_connections_are_refused_while_it_is_down(simulator, http):
    task = asyncio.create_task(simulator.faults.restart(down_for=0.3))
    async with asyncio.timeout(5):
        while True:
            try:
                await http.get("/queue")
            except httpx.TransportError:
                break
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient(base_url=simulator.url) as fresh:
            await fresh.get("/queue")
    await task
    assert (await http.get("/queue")).status_code == 200


async def test_an_error_before_the_prompt_is_taken(client, simulator, http):
    simulator.faults.http_errors["/prompt"] = (502, 2)
    for _ in range(2):
        assert (await client.post(flat())).status_code == 502
    assert simulator.executions == {}
    assert (await client.post(flat())).status_code == 200


async def test_an_error_after_the_prompt_was_taken(client, simulator):
    simulator.faults.http_errors["/prompt"] = HttpError(504, after=True)
    prompt_id = "7f2c1b34-0d7c-4f6e-9a55-0d3f4f1b2c3d"
    assert (await client.post(flat(), prompt_id=prompt_id)).status_code == 504
    assert (await client.history(prompt_id))["status"]["completed"] is True


async def test_out_of_memory_fails_one_run_in_the_recorded_shape(client, simulator):
    simulator.faults.out_of_memory = 1
    graph = recorded_graph("txt2img_with_previews")
    async with client.connected():
        _, frames = await client.run(graph)
        _, again = await client.run(graph)
    [error] = [f["data"] for f in frames if f.get("type") == "execution_error"]
    wanted = recording("execution_error")["frames"][-1]["data"]
    assert {k: type(v) for k, v in error.items()} == {
        k: type(v) for k, v in wanted.items()
    }
    assert error["exception_type"] == "torch.OutOfMemoryError"
    assert error["node_type"] == "KSampler"
    assert "execution_success" in [f.get("type") for f in again]


async def test_a_hung_run_is_listed_until_it_is_interrupted(client, simulator, http):
    simulator.faults.hang = True
    prompt_id = (await client.post(flat())).json()["prompt_id"]
    [[_, running, *_]] = (await http.get("/queue")).json()["queue_running"]
    assert running == prompt_id
    assert (await http.get(f"/history/{prompt_id}")).json() == {}
    await http.post("/interrupt", json={"prompt_id": prompt_id})
    assert (await client.history(prompt_id))["status"]["completed"] is False


async def stored(client):
    prompt_id = (await client.post(flat(width=256, height=256))).json()["prompt_id"]
    return (await client.history(prompt_id))["outputs"]["2"]["images"][0]


@pytest.mark.parametrize("how", ["truncated", "wrong"])
async def test_bad_files_do_not_decode(client, simulator, http, how):
    file = await stored(client)
    simulator.faults.bad_files = how
    answer = await http.get("/view", params=file)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    with pytest.raises(OSError, match=r"truncated|cannot identify|broken"):
        Image.open(io.BytesIO(answer.content)).load()


async def test_missing_files_are_404(client, simulator, http):
    file = await stored(client)
    simulator.faults.bad_files = "missing"
    assert (await http.get("/view", params=file)).status_code == 404
    simulator.faults.bad_files = None
    assert (await http.get("/view", params=file)).status_code == 200


async def test_slow_files_arrive_complete(client, simulator, http, monkeypatch):
    monkeypatch.setattr("generation.simulator.media.SLOW_SECONDS", 0.02)
    file = await stored(client)
    whole = (await http.get("/view", params=file)).content
    simulator.faults.bad_files = "slow"
    began = time.monotonic()
    assert (await http.get("/view", params=file)).content == whole
    assert time.monotonic() - began >= 0.1


async def test_faults_can_be_set_over_http(client, http, simulator):
    changes = {"silence": True, "http_errors": {"/queue": [503, 1, True]}}
    answer = await http.post("/simulator/faults", json=changes)
    assert answer.json()["http_errors"] == {"/queue": [503, 1, True]}
    assert simulator.faults.silence is True
    assert (await http.get("/queue")).status_code == 503
    assert (await http.get("/simulator/faults")).json()["http_errors"] == {}


@pytest.mark.parametrize(
    "changes",
    [{"nonsense": 1}, {"bad_files": "odd"}, {"http_errors": {"/x": [200]}}],
)
async def test_unknown_faults_are_refused(http, changes):
    answer = await http.post("/simulator/faults", json=changes)
    assert answer.status_code == 400


async def test_a_restart_can_be_ordered_over_http(client, http):
    prompt_id = (await client.post(flat())).json()["prompt_id"]
    await client.history(prompt_id)
    async with client.connected():
        await client.receive()
        await http.post("/simulator/faults", json={"restart": 0})
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                await client.receive()
    transport = httpx.AsyncHTTPTransport(retries=5)
    async with httpx.AsyncClient(base_url=http.base_url, transport=transport) as fresh:
        assert (await fresh.get(f"/history/{prompt_id}")).json() == {}


def test_faults_of_the_command_line():
    faults = Faults()
    for text in ("silence", "out_of_memory=2", "bad_files=missing"):
        faults.apply(parse_fault(text))
    assert (faults.silence, faults.out_of_memory) == (True, 2)
    assert faults.bad_files == "missing"


async def test_an_old_server_says_less_and_interrupts_anything():
    simulator = Simulator(speed=0, models=[MODEL], modern=False)
    await simulator.start()
    try:
        async with httpx.AsyncClient(base_url=simulator.url) as http:
            client = Client(simulator, http)
            async with client.connected(metadata=True):
                graph = recorded_graph("txt2img_with_previews")
                prompt_id, frames = await client.run(graph)
                simulator.faults.hang = True
                hung = (await client.post(flat())).json()["prompt_id"]
                await http.post("/interrupt", json={"prompt_id": prompt_id})
                entry = await client.history(hung)
            assert (await http.get("/api/jobs")).status_code == 404
            assert (await http.get(f"/api/jobs/{prompt_id}")).status_code == 404
            assert (await http.get("/features")).status_code == 404
    finally:
        await simulator.stop()
    kinds = {frame.get("type", frame.get("event_type")) for frame in frames}
    assert kinds == {
        "status",
        "execution_start",
        "execution_cached",
        "executing",
        "executed",
        "progress",
        1,
    }
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"


async def test_a_stop_during_a_restart_is_final(simulator, http):
    task = asyncio.create_task(simulator.faults.restart(down_for=0.1))
    await asyncio.sleep(0)
    await simulator.stop()
    await task
    with pytest.raises(httpx.ConnectError):
        await http.get("/queue")
