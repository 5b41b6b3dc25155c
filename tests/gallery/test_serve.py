"""A stored file's delivery: ranges, ETag, headers."""

from __future__ import annotations

import pytest

from tests import make


@pytest.fixture
def image(alice):
    return make.image(alice)


@pytest.fixture
def get(as_alice, image):
    def get(**headers):
        return as_alice.get(f"/gallery/{image.pk}/file/", headers=headers)

    return get


@pytest.fixture
def content():
    return make.png()


def body(response):
    return b"".join(response.streaming_content)


def test_the_whole_file_with_safe_headers(get, content):
    response = get()
    assert body(response) == content
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert response["Cache-Control"].startswith("private")
    assert int(response["Content-Length"]) == len(content)


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=10-", 10, None), ("bytes=-5", -5, None)],
)
def test_a_range(get, content, wanted, start, end):
    response = get(Range=wanted)
    assert response.status_code == 206
    assert body(response) == content[start:end]
    assert response["Content-Range"].endswith(f"/{len(content)}")


def test_a_range_beyond_the_end_is_416(get, content):
    response = get(Range="bytes=999999-")
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(content)}"


@pytest.mark.parametrize("odd", ["bytes=-", "lines=1-2", "bytes=0-1,4-5", "bytes=9-2"])
def test_odd_ranges_do_no_harm(get, odd):
    assert get(Range=odd).status_code in (200, 416)


def test_an_unchanged_file_is_304(get):
    tag = get()["ETag"]
    response = get(**{"If-None-Match": tag})
    assert response.status_code == 304
    assert response["ETag"] == tag


def test_head_has_no_body(as_alice, image, content):
    response = as_alice.head(f"/gallery/{image.pk}/file/")
    assert int(response["Content-Length"]) == len(content)
    assert response.content == b""


def test_a_download_has_a_name(as_alice, image):
    response = as_alice.get(f"/gallery/{image.pk}/file/?download")
    assert response["Content-Disposition"].startswith('attachment; filename="lifeos-')


def test_a_lost_file_is_404(get, image):
    image.file.storage.delete(image.file.name)
    assert get().status_code == 404
