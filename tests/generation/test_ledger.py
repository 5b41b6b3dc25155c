"""How an attempt ends, and what its job, its owner and the estimates have of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from generation import durations
from generation.bridge import ledger
from generation.comfy.errors import NodeError, PromptRejected
from generation.comfy.run import Output, RunError
from generation.models import Attempt, Duration, Job, Usage
from generation.scheduling import Claim
from tests import make

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
TEN_SECONDS = (BEGUN, BEGUN + timedelta(seconds=10))
UNKNOWN = (None, None)
OUTPUTS = [Output("2", "images", 0, filename="a.png", type="output")]
ERROR = RunError("3", "KSampler", "ValueError", "The picture is odd.", ("line 1",))
REFUSED = PromptRejected("The prompt was refused.", "details")


@pytest.fixture
def server(db):
    return make.server()


@pytest.fixture
def claim(alice, server):
    """A job that runs; it was claimed once."""
    job = make.job(alice, status="running", attempts_left=2, started_at=timezone.now())
    return Claim(job, make.attempt(job, server, state="submitted"), server)


def look(claim):
    """The rows as they are now: (job, attempt or None)."""
    attempt = Attempt.objects.filter(pk=claim.attempt.pk).first()
    return Job.objects.get(pk=claim.job.pk), attempt


def used(owner):
    return sum(row.gpu_seconds for row in Usage.objects.filter(person=owner))


# Each way in which it ends, as a function of the claim.
ENDINGS = {
    "succeeded": lambda c: ledger.succeeded(c, OUTPUTS, TEN_SECONDS),
    "failed": lambda c: ledger.failed(c, ERROR, TEN_SECONDS),
    "rejected": lambda c: ledger.rejected(c, REFUSED),
    "interrupted": lambda c: ledger.interrupted(c, "stopped", TEN_SECONDS),
    "lost": lambda c: ledger.lost(c, "It was restarted."),
    "released": lambda c: ledger.released(c, "Nobody answers."),
}


@pytest.mark.parametrize(
    ("ending", "status", "outcome"),
    [
        ("succeeded", "saving", "succeeded"),
        ("failed", "failed", "failed"),
        ("rejected", "failed", "rejected"),
        ("interrupted", "failed", "interrupted"),
        ("lost", "queued", "lost"),
    ],
)
def test_it_ends_the_attempt_and_moves_the_job(claim, ending, status, outcome):
    assert ENDINGS[ending](claim)
    job, attempt = look(claim)
    assert job.status == status
    assert (attempt.state, attempt.outcome) == ("ended", outcome)
    assert (job.finished_at is not None) == (status == "failed")


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_changes_nothing_when_another_bridge_holds_the_attempt(claim, alice, ending):
    Attempt.objects.update(bridge="other")
    assert not ENDINGS[ending](claim)
    job, attempt = look(claim)
    assert (job.status, attempt.state) == ("running", "submitted")
    assert not used(alice)


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_ends_once(claim, alice, ending):
    assert ENDINGS[ending](claim)
    before = used(alice)
    assert not ENDINGS[ending](claim)
    assert used(alice) == before


@pytest.mark.parametrize(
    ("ending", "seconds"),
    [
        ("succeeded", 10),
        ("failed", 10),
        ("interrupted", 10),
        ("rejected", 0),
        ("lost", 0),
        ("released", 0),
    ],
)
def test_the_owner_is_charged_for_what_the_server_worked(claim, alice, ending, seconds):
    ENDINGS[ending](claim)
    assert used(alice) == pytest.approx(seconds)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_wish_to_cancel_is_heeded_however_it_ends(claim, ending):
    Job.objects.update(cancel_requested=True)  # after the bridge has read its row
    ENDINGS[ending](claim)
    job, _ = look(claim)
    if ending == "succeeded":
        # Too late: the pictures are there, and are kept.
        assert (job.status, job.cancel_requested) == ("saving", False)
    else:
        assert job.status == "cancelled"


def test_without_the_servers_times_ours_count(claim, alice):
    Job.objects.update(started_at=timezone.now() - timedelta(seconds=20))
    ledger.succeeded(claim, OUTPUTS, (BEGUN, None))
    assert used(alice) == pytest.approx(20, abs=1)


def test_a_run_whose_start_nobody_saw_costs_nothing(claim, alice):
    Job.objects.update(started_at=None)
    ledger.succeeded(claim, OUTPUTS, UNKNOWN)
    assert used(alice) == 0
    assert not Duration.objects.exists()


def test_hours_in_which_a_server_was_away_are_nobodys(claim, alice):
    Job.objects.update(started_at=timezone.now() - timedelta(hours=5))
    ledger.lost(claim, "It was restarted.")
    _, attempt = look(claim)
    assert used(alice) == 0
    assert attempt.started_at is None


def test_a_success_is_measured(claim):
    ledger.succeeded(claim, OUTPUTS, TEN_SECONDS)
    row = Duration.objects.get()
    assert (row.workflow, row.server) == (claim.job.workflow, claim.server)
    assert (row.size, row.cold, row.seconds) == (claim.job.size, False, 10)


@pytest.mark.parametrize("ending", set(ENDINGS) - {"succeeded"})
def test_only_a_success_is_measured(claim, ending):
    ENDINGS[ending](claim)
    assert not Duration.objects.exists()


def test_a_success_names_its_outputs_for_the_task_that_fetches_them(claim):
    ledger.succeeded(claim, OUTPUTS, TEN_SECONDS)
    job, attempt = look(claim)
    assert [output["filename"] for output in attempt.outputs] == ["a.png"]
    assert job.progress["fraction"] == 1.0


# Again or not ---------------------------------------------------------------------


def test_a_lost_job_waits_again_and_avoids_the_server(claim):
    ledger.lost(claim, "It was restarted.")
    job, _ = look(claim)
    assert job.avoid == [claim.server.pk]
    assert job.attempts_left == 2
    assert (job.progress, job.preview, job.started_at) == ({}, 0, None)


def test_the_third_loss_is_the_last(claim):
    Job.objects.update(attempts_left=0)
    ledger.lost(claim, "It was restarted.")
    job, _ = look(claim)
    assert job.status == "failed"
    assert job.error == (
        "3 attempts were lost by the servers, the last one like this: It was restarted."
    )


def test_three_attempts_and_no_more(alice, server):
    from generation import scheduling

    job = make.job(alice)
    for number in range(1, 4):
        [claim] = scheduling.claim("bridge", lambda s: "client", [server.pk])
        assert claim.attempt.number == number
        ledger.submitted(claim)
        ledger.lost(claim, "It was restarted.")
    job.refresh_from_db()
    assert job.status == "failed"
    assert job.attempts.count() == 3


def test_what_was_never_sent_counts_as_no_attempt(claim):
    ledger.released(claim, "Nobody answers.")
    job, attempt = look(claim)
    assert (job.status, job.attempts_left, job.avoid) == ("queued", 3, [])
    assert attempt is None


def test_a_server_that_is_given_up_gives_its_job_back(claim):
    assert claim.attempt.give_up()
    job, attempt = look(claim)
    assert (job.status, job.attempts_left) == ("queued", 3)
    assert job.avoid == [claim.server.pk]
    assert (attempt.outcome, attempt.finished_at is None) == ("lost", False)
    assert not claim.attempt.give_up()


def test_giving_up_heeds_a_wish_to_cancel(claim):
    Job.objects.update(cancel_requested=True)
    assert claim.attempt.give_up()
    assert look(claim)[0].status == "cancelled"


def test_after_giving_up_the_bridge_that_drove_it_changes_nothing(claim):
    Attempt.objects.get().give_up()
    assert not ledger.succeeded(claim, OUTPUTS, TEN_SECONDS)
    assert look(claim)[0].status == "queued"


# What the owner is told -----------------------------------------------------------


def test_an_error_is_a_plain_sentence_with_the_rest_as_details(claim):
    ledger.failed(claim, ERROR, UNKNOWN)
    job, _ = look(claim)
    assert job.error == "KSampler: The picture is odd."
    assert job.error_detail == "ValueError: The picture is odd.\nline 1"


def test_out_of_memory_comes_with_advice(claim):
    error = RunError("3", "KSampler", "torch.OutOfMemoryError", "Allocation", ())
    ledger.failed(claim, error, UNKNOWN)
    assert "smaller size" in look(claim)[0].error


def test_refused_values_are_told_by_field_and_the_rest_as_details(claim):
    def refusal(name, message):
        return NodeError("value", message, "width: 5", name, 5, "EmptyImage")

    errors = {"1": (refusal("width", "Too small"), refusal("nothing", "Unknown"))}
    ledger.rejected(claim, PromptRejected("Refused.", "", errors))
    job, _ = look(claim)
    assert job.field_errors == {"width": "Too small: width: 5"}
    assert job.error_detail == "EmptyImage (1): Unknown: width: 5"


def test_an_interrupt_by_somebody_else_is_a_failure_that_says_so(claim):
    ledger.interrupted(claim, "The run was interrupted.", UNKNOWN)
    job, _ = look(claim)
    assert job.error == "Somebody at the server stopped this run."


def test_a_restarted_server_has_nothing_loaded(claim, server):
    server.loaded_models = ["random-sd15.safetensors"]
    server.save(update_fields=["loaded_models"])
    ledger.lost(claim, "It was restarted.")
    server.refresh_from_db()
    assert server.loaded_models == []


def test_times_of_the_server_are_milliseconds():
    assert ledger.from_millis(1_700_000_000_500).microsecond == 500_000
    assert ledger.from_millis("soon") is None


def test_a_measured_mean_is_read_anew(claim):
    assert durations.current().expected(claim.job.workflow_id, claim.job.size) is None
    ledger.succeeded(claim, OUTPUTS, TEN_SECONDS)
    durations.forget()
    seconds = durations.current().expected(claim.job.workflow_id, claim.job.size)
    assert seconds == 10
