"""Three servers of different ability: who gets what, whether a GPU ever waits, and that
a cancelled job costs nobody else theirs. The second one is of 2024: its interrupt hits
whatever runs.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.faults.conftest import DEPLOYMENTS, lacking
from tests.stack import Missing, Simulator

FLUX, SDXL = "flux-dev.safetensors", "sd_xl_base.safetensors"
JOBS = 8


@pytest.fixture(scope="module", params=list(DEPLOYMENTS))
def trio(request, tmp_path_factory):
    simulators = [
        Simulator("gpu-1", speed=4.0, options=["--model", FLUX]),
        Simulator("gpu-2", speed=4.0, options=["--model", SDXL, "--old"]),
        Simulator("gpu-3", speed=4.0, options=["--without-node", "KSampler"]),
    ]
    folder = tmp_path_factory.mktemp(f"trio-{request.param}")
    try:
        deployment = DEPLOYMENTS[request.param](folder, simulators=simulators)
    except Missing as exc:
        lacking(str(exc))
    with deployment:
        yield deployment


@pytest.fixture(scope="module")
def histories(trio):
    """What each server ran of 8 jobs for one model, 8 for another and 8 for any."""
    visitor = trio.visitor
    jobs = visitor.generate(count=JOBS, model=FLUX)
    jobs += visitor.generate(count=JOBS, model=SDXL)
    jobs += visitor.generate("test-card", count=JOBS)
    ended = visitor.wait_all(jobs)
    assert {job["status"] for job in ended} == {"done"}
    return {s.name: list(s.history().values()) for s in trio.simulators}


def graphs(history):
    return [entry["prompt"][2] for entry in history]


def models(history):
    return {
        node["inputs"]["ckpt_name"]
        for graph in graphs(history)
        for node in graph.values()
        if "ckpt_name" in node["inputs"]
    }


def test_a_job_goes_only_where_its_model_is(histories):
    assert models(histories["gpu-1"]) == {FLUX}
    assert models(histories["gpu-2"]) == {SDXL}


def test_a_server_without_a_node_gets_only_what_needs_none(histories):
    assert models(histories["gpu-3"]) == set()
    assert histories["gpu-3"], "it could have drawn test cards"


def test_nothing_ran_twice(trio, histories):
    executions = trio.executions()
    assert set(executions.values()) == {1}
    assert len(executions) == 3 * JOBS


def test_the_next_prompt_is_there_before_the_last_one_ends(histories):
    runs = sorted(
        (
            entry["prompt"][3]["create_time"],
            dict(entry["status"]["messages"])["execution_success"]["timestamp"],
        )
        for entry in histories["gpu-1"]
    )
    waits = [sent - ended for (_, ended), (sent, _) in pairwise(runs)]
    assert max(waits) < 0, f"it had nothing to do for {max(waits)} ms"


def test_a_template_that_no_server_can_run_says_so_before_submit(trio):
    body = {"template": "text-to-image", "parameters": {"model": "none.safetensors"}}
    answer = trio.visitor.request("POST", "/api/comfyui/generate", json=body)
    assert answer.status_code == 422


@pytest.mark.parametrize("model", [FLUX, SDXL])
def test_cancel_hits_exactly_the_job_it_is_meant_for(trio, histories, model):
    """One that runs, one that waits there, one that waits here; another person's goes
    on beside them.
    """
    visitor, other = trio.visitor, trio.person(f"bob-{model[:4]}")
    [running] = visitor.generate(model=model, steps=100)
    visitor.wait(running, "running")
    [theirs] = other.generate(model=model, steps=10)
    other.wait(theirs, "dispatched")
    [queued] = visitor.generate(model=model, steps=100)
    for job_id in (queued, running):
        assert visitor.request("POST", f"/api/comfyui/jobs/{job_id}/cancel").is_success
    for job_id in (queued, running):
        assert visitor.wait(job_id)["status"] == "cancelled"
    assert other.wait(theirs)["status"] == "done"
    [last] = other.generate(model=model, steps=40)
    other.wait(last, "running")
    [waiting] = visitor.generate(model=model, steps=100)
    visitor.wait(waiting, "dispatched")
    visitor.request("POST", f"/api/comfyui/jobs/{waiting}/cancel")
    assert visitor.wait(waiting)["status"] == "cancelled"
    assert other.wait(last)["status"] == "done"
    other.close()
