"""From the click to the picture, on both deployments, with nothing broken."""

from __future__ import annotations

import io

from PIL import Image


def test_from_click_to_picture(stack, fault):
    [job_id] = fault.submit(1, seed=42, batch_size=2)
    [job] = fault.check(pictures=2)
    assert (job["id"], job["attempts"]) == (job_id, 1)
    content = stack.visitor.request("GET", job["images"][0]["url"]).content
    assert Image.open(io.BytesIO(content)).size == (512, 512)
    listed = stack.visitor.images()[0]
    assert (listed["prompt"], listed["seed"]) == ("a lighthouse at dusk", "42")
    assert listed["model"]


def test_the_same_key_is_the_same_job(stack, fault):
    first = stack.visitor.generate("test-card", key="once")
    again = stack.visitor.generate("test-card", key="once")
    assert first == again
    fault.adopt(first)
    fault.check()
