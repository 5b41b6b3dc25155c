"""What must be so after a fault, whatever it was: the books of both sides agree."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from tests.stack import until


class Round:
    """One fault: who asked for what, and what became of it."""

    def __init__(self, stack, page):
        self.stack, self.page = stack, page
        self.outcome, self.seconds = "", None
        self._executions = stack.executions()
        self._files = set(stack.stored_files())
        self._jobs = {stack.visitor: []}
        self._over_at = None

    # Act ----------------------------------------------------------------------

    def submit(self, count, template="text-to-image", **values):
        """Queue so many jobs, in requests of at most eight."""
        if template == "text-to-image":
            values.setdefault("steps", 8)
        made = []
        while len(made) < count:
            some = min(8, count - len(made))
            made += self.stack.visitor.generate(template, some, **values)
        self.adopt(made)
        return made

    def adopt(self, job_ids, visitor=None):
        """Jobs that somebody else submitted, or another person, who then lists them."""
        self._jobs.setdefault(visitor or self.stack.visitor, []).extend(job_ids)

    def some_run(self):
        """Wait until a job is in the middle of its run; its id."""

        def running():
            own = self._jobs[self.stack.visitor]
            for job in self.stack.visitor.latest(len(own)):
                runs = job["status"] == "running" and job["progress"]["step"]
                if runs and job["id"] in own:
                    return job["id"]
            return None

        return until(running, "a job runs", every=0.1)

    def is_over(self):
        """The fault has ended: from here on counts how long it takes to recover."""
        self._over_at = datetime.now().astimezone()

    # Check --------------------------------------------------------------------

    def _ended(self, patience=240):
        """Of every person, each job; waits until all have ended."""
        return [
            job
            for visitor, ids in self._jobs.items()
            if ids
            for job in visitor.wait_all(ids, patience=patience)
        ]

    def check(self, *, attempts=None, pictures=1, patience=240):
        """Every job is done, ran once per attempt, and its pictures are there once.

        `attempts` is the most that one job may have had; one without it.
        """
        jobs = self._ended(patience)
        wrong = [(j["id"], j["status"], j["error"]) for j in jobs if j["error"]]
        assert not wrong
        assert {j["status"] for j in jobs} == {"done"}
        assert max(j["attempts"] for j in jobs) <= (attempts or 1)
        ran = self._ran()
        tried = sum(j["attempts"] for j in jobs)
        assert len(jobs) <= len(ran) <= tried
        assert {len(j["images"]) for j in jobs} == {pictures}
        self._check_files(pictures * len(jobs))
        assert self.page.wrong == []
        self._note(jobs, len(ran) - len(jobs))
        return jobs

    def check_failed(self, reason):
        """Every job failed, and says why in words; nothing of it is stored."""
        jobs = self._ended()
        assert {j["status"] for j in jobs} == {"failed"}
        assert all(reason in j["error"] for j in jobs), jobs
        assert not any(j["images"] for j in jobs)
        self._check_files(0)
        self.outcome = f"{len(jobs)} failed: “{jobs[0]['error']}”"
        return jobs

    def _ran(self):
        """The prompts that were executed meanwhile; none of them twice."""
        ran = Counter(self.stack.executions())
        ran.subtract(self._executions)
        fresh = {prompt: count for prompt, count in ran.items() if count}
        assert set(fresh.values()) <= {1}, "a prompt was executed twice"
        return fresh

    def _check_files(self, expected):
        fresh = set(self.stack.stored_files()) - self._files
        assert len(fresh) == expected, "pictures stored other than once"

    def _note(self, jobs, again):
        text = f"{len(jobs)} done, each executed once"
        if again:
            text = f"{len(jobs)} done; {again} lost in mid-run and run again"
        self.outcome = text
        if self._over_at is not None:
            times = [datetime.fromisoformat(j["finished"]) for j in jobs]
            after = [t for t in times if t > self._over_at]
            if after:
                self.seconds = (min(after) - self._over_at).total_seconds()
