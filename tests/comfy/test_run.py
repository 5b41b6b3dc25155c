"""A run's verdict and outputs are its history's, whatever happened to the frames."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.comfy.answers import HistoryEntry, Queue
from generation.comfy.messages import Progress, parse
from generation.comfy.run import Phase, Run, RunProgress, flatten, results
from tests.make import recording

VERDICTS = {
    "txt2img_batch_of_2": Phase.SUCCEEDED,
    "txt2img_with_previews": Phase.SUCCEEDED,
    "identical_prompt_again_fully_cached": Phase.SUCCEEDED,
    "model_free_subfolder_and_temp": Phase.SUCCEEDED,
    "execution_error": Phase.FAILED,
    "interrupted_mid_run": Phase.INTERRUPTED,
}
OLD_SERVERS_LACK = {"progress_state", "execution_success"}


class Recorded:
    def __init__(self, name):
        self.raw = recording(name)
        self.prompt_id = self.raw["post_prompt"]["response"]["prompt_id"]
        self.graph = self.raw["history"][self.prompt_id]["prompt"][2]
        self.history = HistoryEntry.parse(self.prompt_id, self.raw["history"])
        self.frames = [self._message(frame) for frame in self.raw["frames"]]

    def _message(self, frame):
        if frame.get("binary"):
            return parse(base64.b64decode(frame["base64"]))
        return parse(json.dumps({"type": frame["type"], "data": frame["data"]}))

    def run(self, frames):
        run = Run(self.prompt_id, self.graph)
        for frame in frames:
            run.receive(frame)
        return run


RECORDED = {name: Recorded(name) for name in VERDICTS}
each = pytest.mark.parametrize("name", VERDICTS)


def assert_like_history(run, recorded, name):
    run.reconcile(Queue(), recorded.history)
    assert run.ended
    assert run.phase == VERDICTS[name]
    assert run.outputs == flatten(recorded.history.outputs, recorded.graph)


@each
def test_a_whole_recording_says_its_end_by_frames_alone(name):
    recorded = RECORDED[name]
    run = recorded.run(recorded.frames)
    assert run.ending
    assert not run.ended
    if VERDICTS[name] == Phase.SUCCEEDED:
        assert run.outputs == flatten(recorded.history.outputs, recorded.graph)
    # The server was restarted right after: what the frames said stands.
    assert run.reconcile(Queue(), None) == VERDICTS[name]


@each
def test_cut_off_anywhere_it_ends_as_its_history(name):
    recorded = RECORDED[name]
    for cut in range(len(recorded.frames) + 1):
        assert_like_history(recorded.run(recorded.frames[:cut]), recorded, name)


@each
def test_with_any_frame_doubled_or_missing_it_ends_as_its_history(name):
    recorded = RECORDED[name]
    for index, frame in enumerate(recorded.frames):
        before, after = recorded.frames[:index], recorded.frames[index + 1 :]
        assert_like_history(recorded.run([*before, *after]), recorded, name)
        doubled = [*before, frame, frame, *after]
        assert_like_history(recorded.run(doubled), recorded, name)


@each
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_in_any_order_it_ends_as_its_history(name, data):
    recorded = RECORDED[name]
    frames = data.draw(st.lists(st.sampled_from(recorded.frames), max_size=60))
    run = Run(recorded.prompt_id, recorded.graph)
    fraction = 0.0
    for frame in frames:
        run.receive(frame)
        assert fraction <= run.progress.fraction < 1
        fraction = run.progress.fraction
    assert_like_history(run, recorded, name)


@each
def test_an_old_server_ends_with_executing_null(name):
    recorded = RECORDED[name]
    kept = [
        frame
        for frame, raw in zip(recorded.frames, recorded.raw["frames"], strict=True)
        if raw.get("type") not in OLD_SERVERS_LACK
    ]
    assert recorded.run(kept).ending


def test_frames_of_another_prompt_change_nothing():
    recorded = RECORDED["txt2img_batch_of_2"]
    run = Run("00000000-0000-4000-8000-000000000000", recorded.graph)
    assert not any(run.receive(frame) for frame in recorded.frames)
    assert run.phase == Phase.SUBMITTED


def test_it_tells_waiting_running_and_forgotten_apart():
    recorded = RECORDED["txt2img_batch_of_2"]
    run = Run(recorded.prompt_id, recorded.graph)
    ours = (recorded.prompt_id,)
    assert run.reconcile(Queue(pending=ours), None) == Phase.PENDING
    assert run.reconcile(Queue(running=ours), None) == Phase.RUNNING
    assert run.reconcile(Queue(), None) == Phase.FORGOTTEN


def test_progress_names_node_and_step():
    recorded = RECORDED["txt2img_with_previews"]
    seen = set()
    run = Run(recorded.prompt_id, recorded.graph)
    for frame in recorded.frames:
        run.receive(frame)
        seen.add((run.progress.node, run.progress.step, run.progress.steps))
    assert ("KSampler", 3, 4) in seen
    assert ("VAE Decode", None, None) in seen


def test_results_leave_out_previews_when_there_are_real_ones():
    recorded = RECORDED["model_free_subfolder_and_temp"]
    outputs = flatten(recorded.history.outputs, recorded.graph)
    assert {o.type for o in outputs} == {"output", "temp"}
    assert [o.filename for o in results(outputs)] == [
        "flat_00001_.png",
        "flat_00002_.png",
        "flat_00003_.png",
    ]
    temp = [o for o in outputs if o.type == "temp"]
    assert results(temp) == tuple(temp)


def test_an_error_says_what_and_where():
    recorded = RECORDED["execution_error"]
    run = recorded.run([])
    run.reconcile(Queue(), recorded.history)
    assert run.error.node_type == "LoadImage"
    assert "cannot identify image file" in run.error.message
    assert not run.error.out_of_memory


def test_a_very_old_server_is_followed_to_the_same_end():
    for name, recorded in RECORDED.items():
        kept = [
            frame
            for frame, raw in zip(recorded.frames, recorded.raw["frames"], strict=True)
            if not str(raw.get("type")).startswith(("progress_state", "execution_"))
        ]
        run = recorded.run(kept)
        if VERDICTS[name] == Phase.SUCCEEDED:
            assert run.ending
            assert run.outputs == flatten(recorded.history.outputs, recorded.graph)
        assert_like_history(run, recorded, name)


@each
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_shuffled_frames_end_as_their_history(name, data):
    recorded = RECORDED[name]
    frames = data.draw(st.permutations(recorded.frames))
    assert_like_history(recorded.run(frames), recorded, name)


def test_frames_that_name_no_prompt_count_only_for_a_sole_run():
    run = Run("p", {"1": {"class_type": "KSampler"}})
    step = parse('{"type": "progress", "data": {"value": 1, "max": 4}}')
    begins = parse('{"type": "executing", "data": {"node": "1"}}')
    assert not run.receive(begins)
    assert run.receive(begins, sole=True)
    assert not run.receive(step)
    assert run.receive(step, sole=True)
    assert (run.progress.step, run.progress.steps) == (1, 4)


def test_an_end_that_the_queue_refutes_is_no_verdict():
    run = Run("p", {"1": {}})
    run.receive(parse('{"type": "executing", "data": {"node": null}}'), sole=True)
    assert run.ending
    # It was about an earlier prompt: ours still runs, and is then forgotten.
    assert run.reconcile(Queue(running=("p",)), None) == Phase.RUNNING
    assert not run.ending
    assert run.reconcile(Queue(), None) == Phase.FORGOTTEN


def test_a_verdict_that_was_said_outlives_a_restart():
    recorded = RECORDED["execution_error"]
    run = recorded.run(recorded.frames)
    # The history is written a moment after the frame: still listed, still over.
    assert run.reconcile(Queue(running=(recorded.prompt_id,)), None) == Phase.RUNNING
    assert run.ending
    assert run.reconcile(Queue(), None) == Phase.FAILED


def test_numbers_without_bound_are_no_progress():
    run = Run("p", {"1": {}})
    data = {"prompt_id": "p", "node": "1", "value": 10**400, "max": 1}
    assert not run.receive(parse(json.dumps({"type": "progress", "data": data})))


def test_a_failure_without_a_reason_keeps_the_frames_reason():
    recorded = RECORDED["execution_error"]
    run = recorded.run(recorded.frames)
    raw = {recorded.prompt_id: {"status": {"status_str": "error"}, "outputs": {}}}
    run.reconcile(Queue(), HistoryEntry.parse(recorded.prompt_id, raw))
    assert run.phase == Phase.FAILED
    assert "cannot identify image file" in run.error.message


def test_a_history_without_status_is_a_success():
    outputs = {"9": {"images": [{"filename": "a.png", "type": "output"}]}}
    run = Run("p", {"9": {}})
    run.reconcile(Queue(), HistoryEntry.parse("p", {"p": {"outputs": outputs}}))
    assert run.phase == Phase.SUCCEEDED
    assert [output.filename for output in run.outputs] == ["a.png"]
    assert run.progress.fraction == 1.0


def test_out_of_memory_is_told_from_other_errors():
    run = Run("p", {"1": {}})
    data = {
        "prompt_id": "p",
        "exception_type": "torch.OutOfMemoryError",
        "exception_message": "Allocation on device",
    }
    run.receive(parse(json.dumps({"type": "execution_error", "data": data})))
    assert run.error.out_of_memory


def test_every_kind_of_output_is_found():
    outputs = {
        "2": {"gifs": [{"filename": "b.mp4"}], "text": ["hello"]},
        "1": {"images": [{"filename": "a.webp"}], "animated": [True]},
        "3": {"new_kind": [{"filename": "c.bin"}, {"no": "file"}], "odd": 1},
    }
    found = flatten(outputs, {"1": {}, "2": {}, "3": {}})
    assert [(o.node, o.kind, o.filename, o.text, o.animated) for o in found] == [
        ("1", "images", "a.webp", None, True),
        ("2", "gifs", "b.mp4", None, False),
        ("2", "text", "", "hello", False),
        ("3", "new_kind", "c.bin", None, False),
    ]


def test_a_run_that_another_followed_goes_on_from_where_the_bar_stood():
    """A bridge that adopts a run knows only what the page shows of it."""
    shown = RunProgress(fraction=0.6, node="KSampler", step=12, steps=20)
    run = Run("p", {"1": {}, "2": {}}, shown)
    assert run.progress == shown
    run.receive(Progress(node="1", value=1, max=20, prompt_id="p"))
    assert run.progress.fraction == 0.6
