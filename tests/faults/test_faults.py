"""Each test is a fault; its first line is its name in docs/reliability.md.

After each, every accepted job ended as it should, each was executed once by the
servers' own count, each picture is stored once, and no open page went backwards.
"""

from __future__ import annotations

import random
import threading
import time
import uuid

import pytest

from tests.stack import until


def test_the_bridge_is_killed(stack, fault):
    """Bridge killed 20 times at random moments (50 jobs)"""
    chance = random.Random(20)
    fault.submit(50)
    for _ in range(20):
        time.sleep(chance.uniform(0.05, 2.0))
        name = chance.choice(stack.bridges)
        stack.kill(name)
        stack.start(name)
    fault.is_over()
    fault.check()


def test_the_bridge_of_another_machine_is_killed(scaled, fault):
    """Bridge of another machine killed: only its leases tell"""
    fault.submit(8, steps=20)
    fault.some_run()
    for lock in (scaled.data / "bridges").glob("*.lock"):
        lock.unlink()
    scaled.kill("bridge-1")
    fault.is_over()
    try:
        fault.check()
    finally:
        scaled.start("bridge-1")


def test_the_task_consumer_is_killed(stack, fault):
    """Task consumer killed 6 times while it stores pictures"""
    chance = random.Random(6)
    for simulator in stack.simulators:
        simulator.faults(bad_files="slow")
    fault.submit(8, "test-card", batch_size=2)

    def saves():
        return any(job["status"] == "saving" for job in stack.visitor.latest(8))

    for _ in range(6):
        until(saves, "pictures are stored", every=0.05)
        time.sleep(chance.uniform(0.05, 1.0))
        name = chance.choice(stack.consumers)
        stack.kill(name)
        stack.start(name)
    for simulator in stack.simulators:
        simulator.faults(bad_files=None)
    fault.is_over()
    fault.check(pictures=2)


def test_the_web_process_is_killed(stack, fault):
    """Web process killed 5 times while jobs are submitted"""
    keys = [uuid.uuid4().hex for _ in range(20)]
    accepted = []

    def submit():
        for key in keys:
            accepted.extend(stack.visitor.generate("test-card", key=key))

    person = threading.Thread(target=submit)
    person.start()
    chance = random.Random(5)
    for _ in range(5):
        time.sleep(chance.uniform(0.05, 0.8))
        name = chance.choice(stack.webs)
        stack.kill(name)
        stack.start(name)
    fault.is_over()
    person.join()
    assert len(set(accepted)) == len(keys), "a request was taken twice or not at all"
    fault.adopt(accepted)
    fault.check()


def test_comfyui_restarts_in_mid_run(stack, fault):
    """ComfyUI restarted in mid-run: its queue and history are gone"""
    fault.submit(8, steps=20)
    fault.some_run()
    stack.simulators[0].faults(restart=2)
    fault.is_over()
    jobs = fault.check(attempts=2)
    assert any(j["attempts"] == 2 for j in jobs)


def test_comfyui_restarts_again_and_again(stack, fault):
    """ComfyUI restarted under the same job three times"""
    [job_id] = fault.submit(1, steps=60)

    def runs(attempt):
        job = stack.visitor.job(job_id)
        return job["attempts"] >= attempt and job["progress"]["step"]

    for attempt in (1, 2, 3):
        until(lambda attempt=attempt: runs(attempt), f"attempt {attempt} runs")
        for simulator in stack.simulators:
            simulator.faults(restart=0)
    fault.check_failed("3 attempts were lost")


@pytest.mark.parametrize("how", [{"half_open": True}, {"silence": True}])
def test_the_socket_is_half_open(stack, fault, how):
    """ComfyUI's socket half-open or silent: no frame comes, nothing says so"""
    fault.submit(6)
    fault.some_run()
    for simulator in stack.simulators:
        simulator.faults(**how)
    fault.is_over()
    fault.check()


def test_a_proxy_answers_502(stack, fault):
    """502 from a proxy in front of every ComfyUI for 4 s"""
    fault.submit(8)
    fault.some_run()
    for simulator in stack.simulators:
        simulator.gate.set("502")
    time.sleep(4)
    for simulator in stack.simulators:
        simulator.gate.set("open")
    fault.is_over()
    fault.check()


def test_the_answer_is_lost_after_the_post(stack, fault):
    """Answer lost after the POST, three times on each server"""
    for simulator in stack.simulators:
        simulator.faults(http_errors={"/prompt": [502, 3, True]})
    fault.is_over()
    fault.submit(10)
    fault.check()


@pytest.mark.parametrize("mode", ["silent", "refusing"])
def test_the_network_is_cut(stack, fault, mode):
    """Network to every ComfyUI cut for 8 s (packets lost; connections refused)"""
    fault.submit(8)
    fault.some_run()
    for simulator in stack.simulators:
        simulator.gate.set(mode)
    time.sleep(8)
    for simulator in stack.simulators:
        simulator.gate.set("open")
    fault.is_over()
    fault.check()


def test_redis_restarts(scaled, fault):
    """Redis killed, empty and back after 2 s"""
    fault.submit(12)
    fault.some_run()
    scaled.redis.restart(away=2)
    fault.is_over()
    fault.submit(4)
    fault.check()


def test_redis_is_flushed(scaled, fault):
    """Redis flushed in the middle of the work, 10 times"""
    fault.submit(12)
    for _ in range(10):
        scaled.redis.flush()
        time.sleep(0.5)
    fault.is_over()
    fault.check()


def test_postgresql_restarts(scaled, fault):
    """PostgreSQL killed, recovering, back after 2 s"""
    fault.submit(12)
    fault.some_run()
    scaled.postgres.restart(away=2)
    fault.is_over()
    fault.submit(4)
    fault.check()


def test_postgresql_is_away_for_longer_than_a_lease(scaled, fault):
    """PostgreSQL away for 20 s, longer than a lease"""
    fault.submit(8)
    fault.some_run()
    scaled.postgres.restart(away=20)
    fault.is_over()
    fault.check()


def test_the_disk_is_full(stack, fault):
    """Disk full while pictures are to be stored, for 6 s"""
    fault.submit(8)
    fault.some_run()
    try:
        stack.disk.fill()
        time.sleep(6)
    finally:
        stack.disk.free()
    fault.is_over()
    fault.check()


@pytest.mark.parametrize("how", ["truncated", "wrong", "missing"])
def test_the_output_is_unreadable(stack, fault, how):
    """Output cut off, no picture at all, or gone from the server"""
    for simulator in stack.simulators:
        simulator.faults(bad_files=how)
    fault.submit(2, "test-card")
    fault.check_failed("could not be kept")


def test_out_of_memory(stack, fault):
    """GPU out of memory"""
    for simulator in stack.simulators:
        simulator.faults(out_of_memory=1)
    fault.submit(2, seed=1)
    jobs = fault.check_failed("smaller size")
    assert {j["attempts"] for j in jobs} == {1}


def test_everything_is_stopped_cleanly(stack, fault):
    """Everything of ours stopped and started again (an update)"""
    fault.submit(8)
    fault.some_run()
    before = {name: len(stack.log(name)) for name in stack.processes}
    for name in stack.processes:
        assert stack.processes[name].stop() == 0, stack.log(name)[-2000:]
    for name in stack.processes:
        stack.start(name)
    fault.is_over()
    fault.check()
    for name in stack.processes:
        assert "Traceback" not in stack.log(name)[before[name] :]
