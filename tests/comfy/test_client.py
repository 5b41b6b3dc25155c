from __future__ import annotations

import json
import subprocess
import sys

import httpx
import pytest

from generation.comfy.client import Auth, ComfyClient
from generation.comfy.errors import (
    BadAnswer,
    FileMissing,
    PromptRejected,
    TooLarge,
    Unauthorized,
    Unreachable,
)
from generation.comfy.run import Output
from tests.make import recording

PROMPT = "13ca8146-5885-4c7f-bede-e3bf8e7a1e4c"


def client(answer, **options):
    calls = []

    def handle(request):
        calls.append(request)
        return answer(request)

    made = ComfyClient(
        "http://gpu/prefix",
        client_id="c",
        transport=httpx.MockTransport(handle),
        **options,
    )
    return made, calls


async def test_it_posts_under_our_id_below_a_prefix():
    comfy, calls = client(
        lambda r: httpx.Response(200, json={"prompt_id": PROMPT, "number": 3})
    )
    assert (await comfy.submit(PROMPT, {"1": {}})).number == 3
    body = json.loads(calls[0].content)
    assert calls[0].url.path == "/prefix/prompt"
    assert (body["prompt_id"], body["client_id"]) == (PROMPT, "c")
    assert "origin" not in calls[0].headers


async def test_a_refusal_names_node_and_input():
    answer = recording("rejected_bad_values")["post_prompt"]["response"]
    comfy, _ = client(lambda r: httpx.Response(400, json=answer))
    with pytest.raises(PromptRejected) as caught:
        await comfy.submit(PROMPT, {})
    error = caught.value.node_errors["3"][0]
    assert (error.input_name, error.type) == ("steps", "value_smaller_than_min")
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (httpx.Response(502), Unreachable),
        (httpx.Response(504, text="<html>"), Unreachable),
        (httpx.Response(401), Unauthorized),
        (httpx.Response(302, headers={"Location": "https://sign-in"}), Unauthorized),
        (httpx.Response(200, text="<html>Sign in</html>"), BadAnswer),
        (httpx.Response(200, json=[1]), BadAnswer),
        (httpx.Response(500), BadAnswer),
    ],
)
async def test_every_bad_answer_is_an_error_of_ours(response, error):
    comfy, _ = client(lambda r: response)
    with pytest.raises(error) as caught:
        await comfy.queue()
    assert caught.value.retryable


async def test_a_refused_connection_is_unreachable():
    def refuse(request):
        raise httpx.ConnectError("refused")

    comfy, _ = client(refuse)
    with pytest.raises(Unreachable):
        await comfy.history(PROMPT)


async def test_it_signs_in_in_each_way():
    ways = [
        (Auth("basic", {"username": "u", "password": "p"}), "Basic dTpw"),
        (Auth("bearer", {"token": "t"}), "Bearer t"),
    ]
    for auth, expected in ways:
        comfy, calls = client(lambda r: httpx.Response(404), auth=auth)
        await comfy.features()
        assert calls[0].headers["Authorization"] == expected
    access = Auth("headers", {"CF-Access-Client-Id": "x"})
    comfy, calls = client(lambda r: httpx.Response(404), auth=access)
    assert await comfy.features() == {}
    assert calls[0].headers["CF-Access-Client-Id"] == "x"
    assert "secret" not in repr(Auth("bearer", {"token": "secret"}))


def paths(calls):
    return [(call.method, call.url.path.removeprefix("/prefix")) for call in calls]


async def test_a_new_server_cancels_atomically():
    comfy, calls = client(lambda r: httpx.Response(200, json={"cancelled": True}))
    assert await comfy.cancel(PROMPT)
    assert paths(calls) == [("POST", f"/api/jobs/{PROMPT}/cancel")]


@pytest.mark.parametrize("running", [PROMPT, "another"])
async def test_an_old_server_is_interrupted_only_while_ours_runs(running):
    def answer(request):
        if "/api/jobs" in request.url.path:
            return httpx.Response(404)
        if request.method == "GET":
            queue = {"queue_running": [[0, running]], "queue_pending": []}
            return httpx.Response(200, json=queue)
        return httpx.Response(200)

    comfy, calls = client(answer)
    assert await comfy.cancel(PROMPT) == (running == PROMPT)
    interrupts = [call for call in calls if call.url.path.endswith("/interrupt")]
    assert len(interrupts) == (running == PROMPT)
    for call in interrupts:
        assert json.loads(call.content) == {"prompt_id": PROMPT}


@pytest.mark.parametrize("gone_in_time", [True, False])
async def test_an_old_server_forgets_what_waits(gone_in_time):
    """A waiting prompt is deleted; one that begins meanwhile is interrupted."""
    before = {"queue_running": [[0, "another"]], "queue_pending": [[1, PROMPT]]}
    began = {"queue_running": [[1, PROMPT]], "queue_pending": []}
    gone = {"queue_running": [[0, "another"]], "queue_pending": []}
    queues = [before, gone if gone_in_time else began]

    def answer(request):
        if "/api/jobs" in request.url.path:
            return httpx.Response(405)
        if request.method == "GET":
            return httpx.Response(200, json=queues.pop(0))
        return httpx.Response(200)

    comfy, calls = client(answer)
    assert await comfy.cancel(PROMPT)
    interrupts = [call for call in calls if call.url.path.endswith("/interrupt")]
    assert len(interrupts) == (not gone_in_time)


async def test_a_server_that_ignores_our_id_is_refused_and_its_run_stopped():
    theirs = "99999999-5885-4c7f-bede-e3bf8e7a1e4c"
    queue = {"queue_running": [[0, theirs]], "queue_pending": []}

    def answer(request):
        if "/api/jobs" in request.url.path:
            return httpx.Response(405)
        if request.url.path.endswith("/prompt"):
            return httpx.Response(200, json={"prompt_id": theirs, "number": 1})
        return httpx.Response(200, json=queue)

    comfy, calls = client(answer)
    with pytest.raises(PromptRejected, match="too old") as caught:
        await comfy.submit(PROMPT, {})
    assert not caught.value.retryable
    assert paths(calls)[-1] == ("POST", "/interrupt")
    assert json.loads(calls[-1].content) == {"prompt_id": theirs}


@pytest.mark.parametrize("name", ["rejected_no_outputs", "rejected_unknown_node"])
async def test_a_refusal_is_a_sentence(name):
    answer = recording(name)["post_prompt"]["response"]
    comfy, _ = client(lambda r: httpx.Response(400, json=answer))
    with pytest.raises(PromptRejected) as caught:
        await comfy.submit(PROMPT, {})
    assert str(caught.value) == answer["error"]["message"]


async def test_a_partly_refused_prompt_says_what_was_refused():
    errors = recording("rejected_bad_values")["post_prompt"]["response"]["node_errors"]
    body = {"prompt_id": PROMPT, "number": 1, "node_errors": errors}
    comfy, _ = client(lambda r: httpx.Response(200, json=body))
    submitted = await comfy.submit(PROMPT, {})
    assert submitted.node_errors["3"][0].input_name == "steps"


async def test_credentials_in_the_address_are_used():
    calls = []

    def handle(request):
        calls.append(request)
        return httpx.Response(404)

    transport = httpx.MockTransport(handle)
    comfy = ComfyClient("http://u:p@gpu/x", client_id="c", transport=transport)
    await comfy.features()
    assert calls[0].headers["Authorization"] == "Basic dTpw"
    assert calls[0].url.path == "/x/features"


async def test_it_reads_a_real_servers_answers():
    stats = recording("system_stats")
    comfy, _ = client(lambda r: httpx.Response(200, json=stats))
    seen = await comfy.system_stats()
    assert seen.version == stats["system"]["comfyui_version"]
    assert seen.ram_total == stats["system"]["ram_total"]


async def test_an_upload_gives_the_name_that_was_used():
    used = {"name": "a (1).png", "subfolder": "lifeos", "type": "input"}
    comfy, calls = client(lambda r: httpx.Response(200, json=used))
    name = await comfy.upload_image("a.png", b"PNG", subfolder="lifeos")
    assert name == "lifeos/a (1).png"
    assert b'name="overwrite"' not in calls[0].content
    comfy, _ = client(lambda r: httpx.Response(413))
    with pytest.raises(TooLarge):
        await comfy.upload_image("a.png", b"PNG")


async def test_an_output_that_arrives_incompletely_is_an_error():
    def answer(request):
        return httpx.Response(200, headers={"Content-Length": "9"}, stream=Short())

    comfy, _ = client(answer)
    with pytest.raises(Unreachable):
        await _view(comfy)


class Short(httpx.AsyncByteStream):
    async def __aiter__(self):
        yield b"1234"


async def _view(comfy, **options):
    output = Output("9", "images", 0, "a.png", "", "output")
    async with comfy.stream_view(output, **options) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_it_streams_an_output():
    comfy, calls = client(lambda r: httpx.Response(200, content=b"x" * 100))
    assert await _view(comfy) == b"x" * 100
    assert dict(calls[0].url.params)["filename"] == "a.png"


async def test_outputs_that_are_gone_or_too_large_are_errors():
    comfy, _ = client(lambda r: httpx.Response(404))
    with pytest.raises(FileMissing):
        await _view(comfy)
    comfy, _ = client(lambda r: httpx.Response(200, content=b"x" * 100))
    with pytest.raises(TooLarge):
        await _view(comfy, max_bytes=99)


def test_the_client_imports_no_django():
    code = (
        "import sys, generation.comfy.client, generation.comfy.socket,"
        " generation.comfy.catalog; sys.exit('django' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("response", "size"),
    [
        (httpx.Response(206, headers={"Content-Range": "bytes 0-0/1234"}), 1234),
        (httpx.Response(200, headers={"Content-Length": "1234"}), 1234),
        (httpx.Response(200), None),
        (httpx.Response(404), None),
        (httpx.Response(416, headers={"Content-Range": "bytes */0"}), None),
        (httpx.Response(403), None),
    ],
)
async def test_it_asks_how_large_an_input_is_there(response, size):
    comfy, calls = client(lambda r: response)
    assert await comfy.input_size("a.png") == size
    assert dict(calls[0].url.params) == {"filename": "a.png", "type": "input"}
    assert calls[0].headers["Range"] == "bytes=0-0"


async def test_it_cannot_ask_a_server_that_is_away():
    def refuse(request):
        raise httpx.ConnectError("refused")

    comfy, _ = client(refuse)
    with pytest.raises(Unreachable):
        await comfy.input_size("a.png")
