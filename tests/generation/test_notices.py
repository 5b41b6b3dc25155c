"""The bell: one word for each job or batch, to its owner alone, live and by e-mail."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.core import mail
from django.utils import timezone

from accounts import notice_mail, notices
from accounts.models import Notice, NoticeSettings
from accounts.models.notices import KEPT
from generation.models import Job
from tests import make
from tests.generation.test_feed import communicator

PAGE = "/accounts/notices/"


def end(job, status="done", ran=0.0):
    now = timezone.now()
    Job.objects.filter(pk=job.pk).update(status="saving")
    job.refresh_from_db()
    job.started_at = now - timedelta(seconds=ran)
    error = "It broke." if status == "failed" else ""
    job.move(Job.Status(status), error=error, finished_at=now)


def titles(person):
    return [notice.title for notice in person.notices.all()]


def test_a_jobs_end_is_told_once(alice, bob):
    job = make.job(alice)
    end(job)
    failed = make.job(alice)
    end(failed, "failed")
    make.job(alice).cancel()
    assert titles(alice) == ["“Test card” failed", "“Test card” is done"]
    newest = alice.notices.first()
    assert (newest.text, newest.url) == ("It broke.", f"/jobs/{failed.pk}/")
    assert titles(bob) == []


def test_a_job_that_is_tried_again_is_told_anew(alice):
    job = make.job(alice)
    end(job, "failed")
    notices.mark_read(alice.pk)
    job.retry()
    assert titles(alice) == []
    end(job)
    assert titles(alice) == ["“Test card” is done"]
    assert notices.unread(alice.pk) == 1


def test_a_batch_is_one_word(alice, django_capture_on_commit_callbacks):
    from uuid import uuid4

    batch = uuid4()
    jobs = [make.job(alice, batch=batch) for _ in range(3)]
    for job, status in zip(jobs, ("done", "failed", "done"), strict=True):
        assert titles(alice) == []
        with django_capture_on_commit_callbacks(execute=True):
            end(job, status)
    assert titles(alice) == ["“Test card”: 2 done, 1 failed"]


def test_long_jobs_are_told_by_mail_too(alice, settings):
    settings.LIFEOS_URL = "https://life.example.org"
    type(alice).objects.update(email="alice@example.org")
    NoticeSettings.objects.create(person=alice, mail_after_minutes=10)
    end(make.job(alice), ran=599)
    job = make.job(alice)
    end(job, ran=601)
    assert notice_mail.send_due() == 1
    assert notice_mail.send_due() == 0
    [sent] = mail.outbox
    assert (sent.to, sent.subject) == (["alice@example.org"], "“Test card” is done")
    assert f"https://life.example.org/jobs/{job.pk}/" in sent.body


def test_a_mail_server_that_is_away_is_asked_again(alice, monkeypatch):
    type(alice).objects.update(email="alice@example.org")
    NoticeSettings.objects.create(person=alice, mail_after_minutes=1)
    end(make.job(alice), ran=60)
    with monkeypatch.context() as patch:
        patch.setattr(
            "django.core.mail.EmailMessage.send",
            lambda self: (_ for _ in ()).throw(ConnectionRefusedError()),
        )
        assert notice_mail.send_due() == 0
    Notice.objects.update(mail_due=timezone.now())
    assert notice_mail.send_due() == 1
    Notice.objects.update(
        mail_due=timezone.now(), created=timezone.now() - notice_mail.STALE * 2
    )
    assert notice_mail.send_due() == 0


def test_without_the_wish_there_is_no_mail(alice):
    type(alice).objects.update(email="alice@example.org")
    end(make.job(alice), ran=9999)
    assert notice_mail.send_due() == 0


def test_the_page_shows_opens_and_marks(as_alice, alice):
    job = make.job(alice)
    end(job)
    end(make.job(alice), "failed")
    assert "Mark all as read" in as_alice.get(PAGE).content.decode()
    first = alice.notices.get(url=f"/jobs/{job.pk}/")
    opened = as_alice.get(f"{PAGE}{first.pk}/")
    assert (opened.status_code, opened["Location"]) == (302, f"/jobs/{job.pk}/")
    assert notices.unread(alice.pk) == 1
    as_alice.post(f"{PAGE}read/")
    assert notices.unread(alice.pk) == 0
    assert "Mark all as read" not in as_alice.get(PAGE).content.decode()


def test_a_notice_leads_to_no_other_site(as_alice, alice):
    for url in ("//evil.example", "https://evil.example", "/\\evil.example", ""):
        notice = notices.tell(alice.pk, "x", url=url)
        assert as_alice.get(f"{PAGE}{notice.pk}/")["Location"] == PAGE


def test_anothers_do_not_exist(as_bob, alice):
    notice = notices.tell(alice.pk, "a secret")
    assert as_bob.get(f"{PAGE}{notice.pk}/").status_code == 404
    assert "a secret" not in as_bob.get(PAGE).content.decode()
    assert as_bob.get("/api/notices").json()["items"] == []
    body = {"ids": [notice.pk]}
    answer = as_bob.post("/api/notices/read", body, "application/json")
    assert answer.json() == {"read": 0}
    assert notices.unread(alice.pk) == 1


@pytest.mark.parametrize(("minutes", "status"), [("5", 302), ("", 302), ("0", 422)])
def test_the_wish_for_mail(as_alice, alice, minutes, status):
    answer = as_alice.post(PAGE, {"mail_after_minutes": minutes})
    assert answer.status_code == status
    rows = NoticeSettings.objects.filter(person=alice)
    kept = list(rows.values_list("mail_after_minutes", flat=True))
    assert kept == ([int(minutes) if minutes else None] if status == 302 else [])


def test_the_api_pages_and_marks(as_alice, alice):
    for n in range(3):
        notices.tell(alice.pk, f"notice {n}")
    first = as_alice.get("/api/notices?limit=2").json()
    assert [one["title"] for one in first["items"]] == ["notice 2", "notice 1"]
    assert first["unread"] == 3
    rest = as_alice.get(f"/api/notices?cursor={first['next']}").json()
    assert [one["title"] for one in rest["items"]] == ["notice 0"]
    assert as_alice.get("/api/notices?cursor=x").status_code == 422
    assert as_alice.post("/api/notices/read", {}, "application/json").json() == {
        "read": 3
    }


def test_old_ones_are_forgotten(alice, bob):
    notices.tell(bob.pk, "kept")
    for n in range(KEPT + 2):
        Notice.objects.create(person=alice, title=str(n))
    notices.forget_old()
    assert alice.notices.count() == KEPT
    assert alice.notices.last().title == "2"
    assert titles(bob) == ["kept"]


@pytest.mark.django_db(transaction=True)
async def test_open_pages_hear_of_ones_own():
    alice = await sync_to_async(make.user)("alice")
    bob = await sync_to_async(make.user)("bob")
    await sync_to_async(notices.tell)(alice.pk, "before")
    mine = await sync_to_async(communicator)(alice)
    theirs = await sync_to_async(communicator)(bob)
    assert (await mine.connect())[0]
    assert (await theirs.connect())[0]
    first = json.loads(await mine.receive_from())
    assert first["target"] == "#bell"
    assert 'data-unread="1"' in first["content"]
    assert "notice" not in first
    await sync_to_async(notices.tell)(alice.pk, "now", text="It is there.")
    told = json.loads(await mine.receive_from())
    assert told["notice"]["title"] == "now"
    await sync_to_async(notices.mark_read)(alice.pk)
    assert 'data-unread="0"' in json.loads(await mine.receive_from())["content"]
    # A foreign number in an event would not show another's notice either.
    from generation import bell

    foreign = await sync_to_async(lambda: alice.notices.first().pk)()
    assert "notice" not in json.loads(await bell.message(bob, foreign))
    assert await theirs.receive_nothing()
    await mine.disconnect()
    await theirs.disconnect()
