"""From outside: the real processes, killed and cut."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.stack import Stack, until


@pytest.fixture
def stack(tmp_path):
    with Stack(tmp_path) as stack:
        stack.sign_in()
        yield stack


@pytest.fixture
def fast(tmp_path):
    with Stack(tmp_path, speed=0) as stack:
        stack.sign_in()
        yield stack


def counts(stack):
    return {prompt: entry["count"] for prompt, entry in stack.executions().items()}


def test_from_click_to_picture(fast):
    [job_id] = fast.generate(seed=42, batch_size=2)
    job = fast.wait(job_id)
    assert (job["status"], job["attempts"]) == ("done", 1)
    assert len(job["images"]) == 2
    content = fast.api.get(job["images"][0]["url"]).content
    assert Image.open(io.BytesIO(content)).size == (512, 512)
    [listed, _] = fast.api.get("/api/gallery/images").json()["items"]
    assert (listed["prompt"], listed["seed"]) == ("a lighthouse at dusk", "42")
    assert listed["model"]


def test_killed_in_mid_run_it_finishes_the_job_and_runs_it_once(stack):
    [job_id] = stack.generate()
    until(lambda: stack.job(job_id)["progress"]["step"], "a step")
    stack.kill("serve")
    stack.start()
    job = stack.wait(job_id)
    assert (job["status"], job["attempts"]) == ("done", 1)
    assert list(counts(stack).values()) == [1]
    assert len(job["images"]) == 1


def test_an_answer_lost_after_the_post_does_not_run_twice(fast):
    fast.faults(http_errors={"/prompt": [502, 1, True]})
    [job_id] = fast.generate("test-card")
    assert fast.wait(job_id)["status"] == "done"
    assert list(counts(fast).values()) == [1]


def test_a_restart_with_amnesia_leads_to_a_second_attempt(stack):
    [job_id] = stack.generate()
    until(lambda: stack.job(job_id)["progress"]["step"], "a step")
    stack.faults(restart=1)
    job = stack.wait(job_id)
    assert (job["status"], job["attempts"]) == ("done", 2)


@pytest.mark.parametrize("fault", [{"half_open": True}, {"silence": True}])
def test_a_silent_socket_costs_nothing_but_time(fast, fault):
    fast.faults(**fault)
    [job_id] = fast.generate("test-card")
    assert fast.wait(job_id)["status"] == "done"
    assert list(counts(fast).values()) == [1]


def test_out_of_memory_says_what_to_do(fast):
    fast.faults(out_of_memory=1)
    [job_id] = fast.generate()
    job = fast.wait(job_id)
    assert job["status"] == "failed"
    assert "smaller size" in job["error"]


@pytest.mark.parametrize("kind", ["truncated", "wrong", "missing"])
def test_a_bad_output_is_never_stored(fast, kind):
    fast.faults(bad_files=kind)
    [job_id] = fast.generate("test-card")
    until(lambda: fast.job(job_id)["status"] in ("saving", "failed"), "the end")
    assert fast.job(job_id)["images"] == []
    if kind != "truncated":
        assert fast.wait(job_id)["status"] == "failed"


def test_cancel_stops_the_run_at_the_server(stack):
    running, waiting, queued = stack.generate(count=3, steps=100)
    until(lambda: stack.job(running)["status"] == "running", "running")
    for job_id in (queued, waiting, running):
        stack.api.post(f"/api/comfyui/jobs/{job_id}/cancel")
    for job_id in (queued, waiting, running):
        assert stack.wait(job_id)["status"] == "cancelled"
    assert sum(counts(stack).values()) <= 1


def test_terminate_stops_it_cleanly(fast):
    process = fast.processes["serve"]
    process.terminate()
    assert process.wait(20) == 0
    assert "Traceback" not in fast.log("serve")
