"""A person, or their script: signs in, asks for pictures, watches their page."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.stack.process import PATIENCE, until

PASSWORD = "correct horse battery"
ENDED = ("done", "failed", "cancelled")
# Seconds between two questions for jobs: each takes time from what is waited for.
EVERY = 0.2
# What a proxy says while the process behind it is gone.
PASSING = (502, 503, 504)


class Visitor:
    """Tries again what an interrupted connection lost, as a browser's user would."""

    def __init__(self, url, name="admin"):
        self.url, self.name = url, name
        self.api = httpx.Client(base_url=url, timeout=60)

    def close(self):
        self.api.close()

    def _login(self):
        return self.api.post(
            "/_allauth/app/v1/auth/login",
            json={"username": self.name, "password": PASSWORD},
        )

    def sign_in(self):
        answer = until(lambda: self._passed(self._login()), "signed in")
        token = answer.json()["meta"]["access_token"]
        self.api.headers["Authorization"] = f"Bearer {token}"

    def _passed(self, answer):
        return None if answer.status_code in PASSING else answer

    def request(self, method, path, **options):
        """The answer, once there is one; the token lives for five minutes only."""

        def ask():
            answer = self.api.request(method, path, **options)
            if answer.status_code == 401:
                self.sign_in()
                return None
            return self._passed(answer)

        return until(ask, f"{method} {path}")

    def generate(self, template="text-to-image", count=1, *, key=None, **values):
        if template == "text-to-image":
            values.setdefault("prompt", "a lighthouse at dusk")
        body = {"template": template, "parameters": values, "count": count}
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.request(
            "POST", "/api/comfyui/generate", json=body, headers=headers
        )
        assert answer.status_code == 202, answer.text
        return [job["id"] for job in answer.json()["jobs"]]

    def job(self, job_id):
        return self.request("GET", f"/api/comfyui/jobs/{job_id}").json()

    def wait(self, job_id, *states, patience=PATIENCE):
        wanted = states or ENDED

        def reached():
            job = self.job(job_id)
            return job if job["status"] in wanted else None

        return until(reached, f"job {wanted}", patience=patience, every=EVERY)

    def wait_all(self, job_ids, *, patience=240):
        """All of them, ended; asked for in pages, so that asking costs little."""
        wanted = set(job_ids)

        def reached():
            found = {}
            for job in self._each("/api/comfyui/jobs", min(100, len(wanted))):
                if job["id"] in wanted:
                    if job["status"] not in ENDED:
                        return None
                    found[job["id"]] = job
                if len(found) == len(wanted):
                    return [found[i] for i in job_ids]
            return None

        what = f"{len(wanted)} jobs ended"
        return until(reached, what, patience=patience, every=EVERY)

    def jobs(self):
        return list(self._each("/api/comfyui/jobs"))

    def latest(self, count):
        """The newest of their jobs, at most 100: what is asked again and again."""
        params = {"limit": count}
        return self.request("GET", "/api/comfyui/jobs", params=params).json()["items"]

    def images(self):
        return list(self._each("/api/gallery/images"))

    def _each(self, path, size=100):
        """The newest first, so many at a time."""
        cursor = None
        while True:
            params = {"limit": size} | ({"cursor": cursor} if cursor else {})
            page = self.request("GET", path, params=params).json()
            yield from page["items"]
            cursor = page["next"]
            if not cursor:
                return

    def cookies(self):
        """A browser's session, as the sign-in page makes it."""
        with httpx.Client(
            base_url=self.url, follow_redirects=True, timeout=60
        ) as browser:
            browser.get("/accounts/login/")
            form = {"login": self.name, "password": PASSWORD}
            form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
            # Over TLS Django wants to know where a form comes from.
            browser.headers["Referer"] = f"{self.url}/accounts/login/"
            browser.post("/accounts/login/", data=form).raise_for_status()
            return "; ".join(f"{k}={v}" for k, v in browser.cookies.items())


WAITING = re.compile(r'data-status="(queued|dispatched)"')
FRACTION = re.compile(r'<progress[^>]* value="([0-9.]+)"')


class Page:
    """An open page's socket. It keeps what it would have shown, and what was wrong."""

    def __init__(self, visitor):
        self._url = visitor.url.replace("http", "ws", 1) + "/ws/"
        self._headers = {"Cookie": visitor.cookies(), "Origin": visitor.url}
        self._over = threading.Event()
        self.sequences = {}
        self.fractions = {}
        self.wrong = []
        self.connections = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        until(lambda: self.connections, "the page's socket")
        return self

    def __exit__(self, *exc):
        self._over.set()
        self._thread.join()

    def _watch(self):
        while not self._over.is_set():
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                self._connect()
            time.sleep(0.2)

    def _connect(self):
        headers = self._headers
        with connect(self._url, additional_headers=headers, open_timeout=5) as socket:
            self.connections += 1
            self._read(socket)

    def _read(self, socket):
        seen = {}
        while not self._over.is_set():
            try:
                message = json.loads(socket.recv(timeout=0.2))
            except TimeoutError:
                continue
            if "job" not in message:
                continue  # the bell's, which is of no job
            job, sequence = message["job"], message["sequence"]
            if seen.get(job, -1) >= sequence:
                self.wrong.append(f"{job}: {sequence} after {seen[job]}")
            seen[job] = sequence
            # The page's own script drops what is older than what it shows.
            if sequence > self.sequences.get(job, -1):
                self.sequences[job] = sequence
                self._show(job, message["content"])

    def _show(self, job, html):
        found = FRACTION.search(html)
        if WAITING.search(html):
            self.fractions.pop(job, None)  # another attempt begins from nothing
        elif found:
            fraction = float(found[1])
            if fraction < self.fractions.get(job, 0.0):
                self.wrong.append(
                    f"{job}: back from {self.fractions[job]} to {found[1]}"
                )
            self.fractions[job] = fraction
