"""Webhooks and e-mails on Huey: each task may be lost or doubled, the rows are not."""

from __future__ import annotations

import logging

from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from accounts import notice_mail, notices
from accounts.periodic import once_a_minute
from generation.hooks import sending

log = logging.getLogger(__name__)


@db_task()  # type: ignore[untyped-decorator]
def deliver() -> None:
    """Send what is due; what comes due within the minute is asked for by its time."""
    if sending.send_due():
        deliver()
    elif (wait := sending.wait_for_next()) is not None:
        deliver.schedule(delay=wait)


@db_task()  # type: ignore[untyped-decorator]
def send_mail() -> None:
    notice_mail.send_due()


def ask_for_mail() -> None:
    """Should it fail, the sweep asks within a minute."""
    try:
        send_mail()
    except Exception as exc:  # each queue library has its own errors
        log.warning("the e-mails were not asked for: %s", exc)


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
@once_a_minute
def sweep_hooks() -> None:
    """What was lost on the way, and every try that is due later than in a minute."""
    deliver()
    send_mail()


@db_periodic_task(crontab(hour="4", minute="17"))  # type: ignore[untyped-decorator]
@once_a_minute
def forget_old() -> None:
    """Deliveries and notices that nobody looks at any more."""
    sending.forget_old()
    notices.forget_old()
