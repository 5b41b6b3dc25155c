"""Ways out: nginx, the bucket, thumbnails in the right width and format."""

from __future__ import annotations

import io
import os
import re
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from django.core.cache import cache
from django.template import Context, Template
from django.urls import reverse
from PIL import Image as Pillow

from gallery import storage
from gallery.files import delivery, variants
from gallery.models import ShareItem, ShareLink
from gallery.storage_base import StorageAway
from tests import make
from tests.gallery import bad
from tests.gallery.test_downloads import taken  # noqa: F401
from tests.stack.process import free_port

AVIF = {"Accept": "image/avif,image/webp,*/*"}
WEBP = {"Accept": "image/webp,*/*"}
NGINX = Path("/usr/sbin/nginx")


def body(response):
    return b"".join(response.streaming_content)


# nginx ----------------------------------------------------------------------------


@pytest.fixture
def accelerated(settings, tmp_path, in_a_folder):
    settings.LIFEOS_ACCEL_PREFIX = "/_files/"
    settings.LIFEOS_ACCEL_ROOT = str(tmp_path / "files")


def test_nginx_is_told_where_the_file_is(accelerated, alice, as_alice):
    image = make.image(alice)
    response = as_alice.get(f"/gallery/{image.pk}/file/")
    assert response["X-Accel-Redirect"] == f"/_files/{image.file.name}"
    assert response.content == b""
    assert response["ETag"] == f'"{image.sha256}"'
    known = {"If-None-Match": f'W/"{image.sha256}"'}
    again = as_alice.get(f"/gallery/{image.pk}/file/", headers=known)
    assert again.status_code == 304
    assert "X-Accel-Redirect" not in again


def test_strangers_get_no_redirect(accelerated, alice, as_bob):
    response = as_bob.get(f"/gallery/{make.image(alice).pk}/file/")
    assert response.status_code == 404
    assert "X-Accel-Redirect" not in response


def test_a_file_that_nginx_cannot_see_comes_from_us(
    accelerated, alice, as_alice, settings
):
    settings.LIFEOS_ACCEL_ROOT = "/somewhere/else"
    response = as_alice.get(f"/gallery/{make.image(alice).pk}/file/")
    assert body(response) == make.png()


def test_a_lost_file_is_404_here_too(accelerated, alice, as_alice):
    image = make.image(alice)
    image.file.storage.delete(image.file.name)
    assert as_alice.get(f"/gallery/{image.pk}/file/").status_code == 404


CONFIG = """
daemon off; pid {root}/nginx.pid; error_log {root}/error.log; events {{}}
http {{
  access_log off;
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2;
  fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
  types {{ }} default_type application/octet-stream;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{behind}; }}
    {location}
  }}
}}
"""


@pytest.mark.skipif(
    not NGINX.exists() and "CI" not in os.environ, reason="nginx is not installed"
)
def test_behind_a_real_nginx(live_server, accelerated, alice, as_alice, tmp_path):
    """As docs/gallery-files.md says: ranges, our ETag, every header that protects."""
    text = (Path(__file__).parents[2] / "docs/gallery-files.md").read_text()
    [location] = re.findall(r"```nginx\n(location.*?)```", text, re.S)
    location = location.replace("/var/lib/lifeos/files/", f"{tmp_path}/files/")
    port = free_port()
    behind = live_server.url.rpartition(":")[2]
    (tmp_path / "nginx.conf").write_text(
        CONFIG.format(root=tmp_path, port=port, behind=behind, location=location)
    )
    tmp_path.chmod(0o755)
    command = [NGINX, "-c", tmp_path / "nginx.conf", "-g", "user root;"]
    nginx = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        image = make.image(alice)
        cookies = {"sessionid": as_alice.cookies["sessionid"].value}
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", cookies=cookies
        ) as client:
            answer = _eventually(client, f"/gallery/{image.pk}/file/")
            assert answer.content == make.png()
            assert answer.headers["etag"] == f'"{image.sha256}"'
            assert answer.headers["content-type"] == "image/png"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in answer.headers["content-security-policy"]
            assert answer.headers["cache-control"].startswith("private")
            assert answer.headers["content-disposition"].startswith("inline")
            part = client.get(answer.url.path, headers={"Range": "bytes=3-9"})
            assert (part.status_code, part.content) == (206, make.png()[3:10])
            tag = {"If-None-Match": answer.headers["etag"]}
            assert client.get(answer.url.path, headers=tag).status_code == 304
            assert client.get(f"/_files/{image.file.name}").status_code == 404
            assert httpx.get(str(answer.url)).status_code == 302
    finally:
        nginx.terminate()
        nginx.wait()


def _eventually(client, path):
    end = time.monotonic() + 20
    while True:
        try:
            return client.get(path)
        except httpx.ConnectError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


# The bucket -----------------------------------------------------------------------


@pytest.fixture
def bucket(settings, in_a_folder):
    """A bucket that is never called: addresses are signed without it."""
    default = settings.STORAGES["default"]
    s3 = {
        "bucket_name": "pictures",
        "endpoint_url": "http://127.0.0.1:1",
        "access_key": "key",
        "secret_key": "secret",
        "region_name": "auto",
    }
    options = default["OPTIONS"] | {"s3": s3}
    settings.STORAGES = settings.STORAGES | {"default": default | {"OPTIONS": options}}
    settings.LIFEOS_S3_DIRECT = True


def test_a_file_in_the_bucket_is_fetched_there(alice, as_alice, bucket):
    image = make.image(alice)
    storage.homes().local.delete(image.file.name)
    addresses = [as_alice.get(f"/gallery/{image.pk}/file/?download") for _ in range(2)]
    assert [a.status_code for a in addresses] == [302, 302]
    assert addresses[0]["Location"] == addresses[1]["Location"]
    assert "response-content-disposition=attachment" in addresses[0]["Location"]
    assert addresses[0]["Cache-Control"] == "private, max-age=1800"


def test_a_file_that_is_still_here_is_served_here(alice, as_alice, bucket):
    image = make.image(alice)
    assert as_alice.get(f"/gallery/{image.pk}/file/").status_code == 200


def test_strangers_get_no_signed_address(alice, as_bob, bucket):
    image = make.image(alice)
    storage.homes().local.delete(image.file.name)
    assert as_bob.get(f"/gallery/{image.pk}/file/").status_code == 404


WAYS = {
    "original": "/gallery/{0}/file/",
    "stripped": "/gallery/{0}/file/?metadata=strip",
    "thumbnail": "/gallery/{0}/thumbnail/small/",
    "wide thumbnail": "/gallery/{0}/thumbnail/640/",
    "API": "/api/gallery/images/{0}/file",
    "API's thumbnail": "/api/gallery/images/{0}/thumbnail",
    "shared": "{1}{0}/file/",
    "shared thumbnail": "{1}{0}/small/",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_bucket_that_is_away_is_503_not_404(way, alice, as_alice, bucket, settings):
    settings.LIFEOS_S3_DIRECT = False
    image = make.image(alice)
    link = ShareLink.objects.create(owner=alice)
    ShareItem.objects.create(link=link, image=image, position=1)
    for name in (image.file.name, image.thumb_small.name, image.thumb_large.name):
        storage.homes().local.delete(name)
    shared = reverse("shared:link", args=[link.token])
    response = as_alice.get(WAYS[way].format(image.pk, shared))
    assert response.status_code == 503
    assert response["Retry-After"] == "30"
    assert "does not answer at the moment" in response.content.decode()
    assert "max-age" not in response["Cache-Control"]


def test_a_bucket_that_goes_before_the_first_piece_is_503(
    alice, as_alice, in_a_folder, monkeypatch
):
    """It has told the size, and then it is away: no answer has begun yet."""

    def read(*_):
        raise StorageAway("The bucket does not answer.")
        yield b""

    monkeypatch.setattr(delivery, "stored", read)
    response = as_alice.get(f"/gallery/{make.image(alice).pk}/file/")
    assert response.status_code == 503
    assert "max-age" not in response["Cache-Control"]


@pytest.mark.parametrize("query", ["", "?metadata=strip"])
def test_a_file_that_is_nowhere_is_404(query, alice, as_alice):
    image = make.image(alice)
    image.file.storage.delete(image.file.name)
    assert as_alice.get(f"/gallery/{image.pk}/file/{query}").status_code == 404


# Thumbnails -----------------------------------------------------------------------


@pytest.fixture
def large(taken):  # noqa: F811
    return taken(bad.saved("PNG", bad.gradient((1500, 1000))))


@pytest.mark.parametrize("width", [320, 640, 960, 1280])
@pytest.mark.parametrize(
    ("accept", "kind"), [(AVIF, "AVIF"), (WEBP, "WEBP"), ({}, "WEBP")]
)
def test_every_width_in_what_the_browser_takes(width, accept, kind, large, as_alice):
    address = f"/gallery/{large.pk}/thumbnail/{width}/"
    response = as_alice.get(address, headers=accept)
    assert "Accept" in response["Vary"].split(", ")
    with Pillow.open(io.BytesIO(body(response))) as thumb:
        assert (thumb.format, thumb.width) == (kind, width)
    again = as_alice.get(address, headers=accept | {"If-None-Match": response["ETag"]})
    assert again.status_code == 304


def test_a_thumbnail_is_made_once(large, as_alice, monkeypatch):
    made = []
    real = variants.variant
    monkeypatch.setattr(variants, "variant", lambda *a: (made.append(a), real(*a))[1])
    for _ in range(3):
        as_alice.get(f"/gallery/{large.pk}/thumbnail/640/", headers=AVIF)
    cache.clear()
    as_alice.get(f"/gallery/{large.pk}/thumbnail/640/", headers=AVIF)
    assert len(made) == 1


def test_a_thumbnail_that_was_thrown_away_is_made_again(large, as_alice):
    address = f"/gallery/{large.pk}/thumbnail/640/"
    body(as_alice.get(address, headers=AVIF))
    made = f"{large.file.name.rpartition('/')[0]}/640.avif"
    assert storage.homes().exists(made)
    storage.homes().delete(made)
    first = as_alice.get(address, headers=AVIF)
    assert first.status_code == 200
    assert as_alice.get(address, headers=AVIF)["Content-Type"] == "image/avif"
    assert storage.homes().exists(made)


def test_while_too_many_are_made_there_is_the_kept_one(large, as_alice, monkeypatch):
    monkeypatch.setattr(variants, "_makers", threading.BoundedSemaphore(1))
    monkeypatch.setattr(variants, "PATIENCE", 0.01)
    with variants._makers:
        response = as_alice.get(f"/gallery/{large.pk}/thumbnail/640/", headers=AVIF)
    assert response["Content-Type"] == "image/webp"
    assert response["Cache-Control"] == "private, max-age=60"


def test_a_full_disk_costs_nobody_a_thumbnail(large, as_alice, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.Homes, "_save", full)
    response = as_alice.get(f"/gallery/{large.pk}/thumbnail/640/", headers=AVIF)
    assert response.status_code == 200


def test_the_api_has_widths(large, as_alice):
    address = f"/api/gallery/images/{large.pk}/thumbnail?width=640"
    response = as_alice.get(address, headers=AVIF)
    assert response["Content-Type"] == "image/avif"
    assert as_alice.get(address[:-3] + "641").status_code == 422


@pytest.mark.parametrize(
    ("size", "widths"),
    [((1500, 1000), [320, 640, 960, 1280]), ((500, 500), [320, 500]), ((1, 1), [1])],
)
def test_a_srcset_stops_at_the_pictures_own_width(size, widths, taken):  # noqa: F811
    image = taken(bad.saved("PNG", bad.gradient(size)))
    shown = Template("{% load pictures %}<img {% srcset image %}>")
    html = shown.render(Context({"image": image}))
    assert [int(w) for w in re.findall(r" (\d+)w", html)] == widths
    assert f'width="{size[0]}" height="{size[1]}"' in html
