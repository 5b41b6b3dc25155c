"""A small client for Life-OS: one file, to copy and to change. Needs httpx.

export LIFEOS_URL=https://life.example.org LIFEOS_KEY=lo_…
python lifeos_client.py text-to-image "a lighthouse at dusk" --out pictures
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import os
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ENDED = ("done", "failed", "cancelled")


class LifeOSError(Exception):
    """What the server said; `status` is HTTP's, `fields` what is wrong with which."""

    def __init__(self, status: int, detail: str, fields: Mapping[str, str]) -> None:
        wrong = "".join(f"\n  {name}: {text}" for name, text in fields.items())
        super().__init__(f"{status}: {detail}{wrong}")
        self.status = status
        self.fields = dict(fields)


@dataclass(frozen=True)
class Picture:
    id: str
    url: str
    width: int
    height: int
    mime_type: str
    sha256: str


@dataclass(frozen=True)
class Job:
    id: str
    status: str
    position: int | None
    eta_seconds: int | None
    error: str
    images: tuple[Picture, ...]

    @property
    def is_over(self) -> bool:
        return self.status in ENDED


class LifeOS:
    """Use it as `with LifeOS(url, key) as life:`; each call may raise LifeOSError."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {key}"},
            # Longer than the server may make us wait for a job.
            timeout=90,
        )

    def __enter__(self) -> LifeOS:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def templates(self) -> list[dict[str, Any]]:
        """Each with its `slug`, and its `parameters` as JSON Schema."""
        items: list[dict[str, Any]] = self._ask("GET", "/api/comfyui/templates")[
            "items"
        ]
        return items

    def generate(
        self,
        template: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        count: int = 1,
        callback_url: str = "",
    ) -> list[str]:
        """Queue jobs; their ids. What is left out of `parameters` takes its default."""
        body = {"template": template, "parameters": dict(parameters or {})}
        extra = {"count": count, "callback_url": callback_url}
        # With a key of its own, a request that is sent twice is done once.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        answer = self._ask(
            "POST", "/api/comfyui/generate", json=body | extra, headers=headers
        )
        return [job["id"] for job in answer["jobs"]]

    def job(self, job_id: str, *, wait: int = 0) -> Job:
        """The job; with `wait`, once it is over, or after so many seconds."""
        path = f"/api/comfyui/jobs/{job_id}"
        found = self._ask("GET", path, params={"wait": wait})
        names = Picture.__dataclass_fields__
        pictures = [Picture(**{n: i[n] for n in names}) for i in found["images"]]
        plain = {n: found[n] for n in Job.__dataclass_fields__ if n != "images"}
        return Job(**plain, images=tuple(pictures))

    def finish(self, job_id: str) -> Job:
        """Wait for as long as it takes."""
        while not (job := self.job(job_id, wait=30)).is_over:
            pass
        return job

    def cancel(self, job_id: str) -> None:
        self._ask("POST", f"/api/comfyui/jobs/{job_id}/cancel")

    def send_file(self, path: Path, kind: str = "image") -> str:
        """The value that a parameter of this kind takes."""
        with path.open("rb") as file:
            answer = self._ask(
                "POST",
                "/api/comfyui/inputs",
                files={"file": (path.name, file)},
                data={"kind": kind},
            )
        return str(answer["value"])

    def pictures(self, query: str = "") -> Iterator[dict[str, Any]]:
        """All of mine, newest first, page by page."""
        cursor: str | None = ""
        while cursor is not None:
            page = self._ask(
                "GET", "/api/gallery/images", params={"q": query, "cursor": cursor}
            )
            yield from page["items"]
            cursor = page["next"]

    def download(self, picture: Picture, folder: Path) -> Path:
        """Save the original, and check that it came whole."""
        answer = self._send("GET", picture.url)
        if hashlib.sha256(answer.content).hexdigest() != picture.sha256:
            raise LifeOSError(answer.status_code, "The file came damaged.", {})
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{picture.id}.{picture.mime_type.rpartition('/')[2]}"
        path.write_bytes(answer.content)
        return path

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self._send(method, path, **options)
        return answer.json() if answer.content else None

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        while True:
            answer = self._http.request(method, path, **options)
            if answer.status_code != 429:
                break
            time.sleep(int(answer.headers.get("Retry-After", "1")))
        if answer.is_error:
            raise _error(answer)
        return answer


def _error(answer: httpx.Response) -> LifeOSError:
    try:
        told = answer.json()
    except ValueError:
        return LifeOSError(answer.status_code, answer.reason_phrase, {})
    fields = {e["field"]: e["message"] for e in told.get("errors", [])}
    return LifeOSError(answer.status_code, str(told.get("detail", "")), fields)


def verify_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, *, tolerance: float = 300
) -> bool:
    """Whether a call to a webhook is ours and fresh. `headers` by lower-case names."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    message_id, stamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(stamp)) > tolerance:
        return False
    signed = f"{message_id}.{stamp}.".encode() + body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = headers["webhook-signature"].split(" ")
    return any(hmac.compare_digest(f"v1,{digest}", one) for one in given)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("template")
    parser.add_argument("prompt", nargs="?")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path())
    chosen = parser.parse_args()
    values = {"prompt": chosen.prompt} if chosen.prompt else {}
    with LifeOS(os.environ["LIFEOS_URL"], os.environ["LIFEOS_KEY"]) as life:
        try:
            failed = 0
            for job_id in life.generate(chosen.template, values, count=chosen.count):
                job = life.finish(job_id)
                failed += job.status != "done"
                if job.error:
                    sys.stderr.write(f"{job.error}\n")
                for picture in job.images:
                    sys.stdout.write(f"{life.download(picture, chosen.out)}\n")
        except LifeOSError as exc:
            sys.stderr.write(f"{exc}\n")
            return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
