"""Life-OS behind nginx with TLS: deploy/network/nginx/lifeos.conf in use."""

from __future__ import annotations

import contextlib
import hashlib
import json
import ssl
import struct
import time
import zlib

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.deploy.proxies import Witness, site
from tests.stack.process import until
from tests.stack.visitor import PASSWORD, Page

MEGABYTE = 1 << 20


@contextlib.contextmanager
def browser(stack, name=None):
    """A browser at nginx; signed in if `name` is given."""
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        client.headers["Referer"] = f"{stack.url}/"
        if name:
            client.get("/accounts/login/")
            answer = client.post("/accounts/login/", data=form(client, name))
            assert answer.status_code == 302, answer.text
        yield client


def form(client, name):
    token = client.cookies["csrftoken"]
    return {"login": name, "password": PASSWORD, "csrfmiddlewaretoken": token}


@pytest.fixture(scope="module")
def admin(behind):
    with browser(behind, "admin") as client:
        yield client


@pytest.fixture(scope="module")
def alice(behind):
    with browser(behind, "alice") as client:
        yield client


# People ---------------------------------------------------------------------------


def test_plain_http_leads_to_tls(behind):
    answer = httpx.get(f"http://127.0.0.1:{behind.nginx.plain}/jobs/?page=2")
    assert answer.status_code == 308
    assert answer.headers["Location"] == f"{behind.url}/jobs/?page=2"


def test_signing_in_over_tls_keeps_the_cookie_secure(behind):
    with browser(behind) as client:
        page = client.get("/accounts/login/")
        assert page.headers["Strict-Transport-Security"].startswith("max-age=31536000")
        answer = client.post("/accounts/login/", data=form(client, "admin"))
        cookie = next(
            line
            for line in answer.headers.get_list("Set-Cookie")
            if line.startswith("sessionid=")
        )
        assert "Secure" in cookie and "HttpOnly" in cookie
        assert client.get("/gallery/").status_code == 200


def test_the_page_sees_its_job_move_and_gets_the_picture(behind):
    with Page(behind.visitor) as page:
        (job,) = behind.visitor.generate(seed=7)
        done = behind.visitor.wait(job)
        assert done["status"] == "done"
        until(lambda: page.sequences.get(job, 0) > 1, "progress over the WebSocket")
    assert not page.wrong
    (image,) = done["images"]
    path = image["url"].removeprefix(behind.url)
    picture = behind.visitor.request("GET", path)
    assert hashlib.sha256(picture.content).hexdigest() == image["sha256"]
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    assert picture.headers["Cache-Control"].startswith("private")
    part = behind.visitor.request("GET", path, headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, picture.content[:10])
    assert behind.alice.request("GET", path).status_code == 404
    # The process only says where it lies; nginx has sent it.
    headers = {"X-Forwarded-Proto": "https", **behind.visitor.api.headers}
    headers["Host"] = "localhost"
    told = httpx.get(f"{behind.direct}{path}", headers=headers)
    assert told.headers["X-Accel-Redirect"].startswith("/_files/images/")
    assert told.content == b""


def test_static_files_come_from_nginx_and_keep(behind, alice):
    page = alice.get("/gallery/").text
    address = page.split('href="/static/css/')[1].split('"')[0]
    answer = alice.get(f"/static/css/{address}")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Server"] == "nginx"
    assert alice.get("/static/../secret_key").status_code == 404
    assert alice.get("/static/%2e%2e/secret_key").status_code in (400, 404)


@pytest.mark.parametrize("path", ["/_files/", "/_files/a", "/metrics", "/readyz"])
def test_what_is_internal_is_not_there(admin, path):
    assert admin.get(path).status_code == 404


def test_the_same_request_id_is_in_both_logs(behind, admin):
    admin.get("/no-such-page/", headers={"X-Request-ID": "walk-1234567890"})
    admin.get("/no-such-page/", headers={"X-Request-ID": "bad id; with 'words'"})
    ids = until(lambda: asked_for(behind, "/no-such-page/", 2), "two lines of nginx")
    assert ids[0] == "walk-1234567890" and len(ids[1]) == 32
    for one in ids:
        ours = f'"request_id": "{one}"'
        until(lambda: ours in behind.log("serve"), "our line")  # noqa: B023


def asked_for(stack, path, count):
    """The request ids in nginx's log, which it writes once the answer has gone out."""
    lines = (stack.nginx.folder / "lifeos.log").read_text().splitlines()
    asked = [line for line in map(json.loads, lines) if line["path"] == path]
    return [line["request_id"] for line in asked] if len(asked) >= count else None


# Limits ---------------------------------------------------------------------------


def test_too_many_sign_ins_are_told_to_wait(behind):
    with browser(behind) as client:
        answers = [client.post("/accounts/login/") for _ in range(60)]
        refused = [a for a in answers if a.status_code == 429]
        assert len(refused) > 10
        assert refused[0].headers["Retry-After"] == "10"
        assert "Too many requests" in refused[0].json()["detail"]
        # Looking at the page, and everything else, goes on.
        assert client.get("/accounts/login/").status_code == 200


def test_a_page_full_of_thumbnails_is_not_too_many(alice):
    answers = {alice.get(f"/gallery/x{i}/thumbnail/small/") for i in range(200)}
    assert {answer.status_code for answer in answers} == {404}


def png(size):
    """A picture of about `size` bytes: most of it in a chunk that readers skip."""

    def chunk(kind, data):
        whole = kind + data
        return (
            struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))
        )

    head = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\x40\x80\xc0" * 64 for _ in range(64)))
    parts = [chunk(b"IHDR", head), chunk(b"liFe", bytes(size)), chunk(b"IDAT", rows)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def upload(stack, client, size):
    """The form, filled in with what it offers, and a picture of this size."""
    template = stack.visitor.request("GET", "/api/comfyui/templates/image-to-image")
    fields = {
        name: field["default"]
        for name, field in template.json()["parameters"]["properties"].items()
        if "default" in field
    }
    client.get("/generate/image-to-image/")
    fields |= {"csrfmiddlewaretoken": client.cookies["csrftoken"], "prompt": "a boat"}
    files = {"image": ("boat.png", png(size), "image/png")}
    return client.post("/generate/image-to-image/", data=fields, files=files)


def test_fifty_megabytes_go_up(behind, admin):
    before = {job["id"] for job in behind.visitor.jobs()}
    answer = upload(behind, admin, 50 * MEGABYTE - 4096)
    assert answer.status_code in (200, 302), answer.text
    (job,) = {job["id"] for job in behind.visitor.jobs()} - before
    assert behind.visitor.wait(job)["status"] == "done"


def test_more_than_that_is_refused(behind, admin):
    assert upload(behind, admin, 61 * MEGABYTE).status_code == 413


# ComfyUI itself -------------------------------------------------------------------


def test_comfyui_is_for_staff(behind, admin, alice):
    stats = admin.get("/comfyui/system_stats")
    assert stats.status_code == 200 and "devices" in stats.json()
    assert alice.get("/comfyui/system_stats").status_code == 403
    with browser(behind) as nobody:
        answer = nobody.get("/comfyui/system_stats")
        assert answer.status_code == 302
        assert answer.headers["Location"].endswith("/accounts/login/?next=/comfyui/")


def socket(client, stack, **headers):
    cookies = "; ".join(f"{k}={v}" for k, v in client.cookies.items())
    address = stack.url.replace("https", "wss") + "/comfyui/ws?clientId=walk"
    headers = {"Cookie": cookies, "Origin": stack.url} | headers
    return connect(address, additional_headers=headers, open_timeout=10)


def test_its_websocket_is_for_staff(behind, admin, alice):
    with socket(admin, behind) as comfyui:
        assert json.loads(comfyui.recv(timeout=10))["type"] == "status"
    with browser(behind) as nobody:
        for client, status in ((alice, 403), (nobody, 401)):
            with pytest.raises(InvalidStatus) as refused:
                socket(client, behind)
            assert refused.value.response.status_code == status
    with pytest.raises(InvalidStatus) as refused:
        socket(admin, behind, Origin="https://elsewhere.example")
    assert refused.value.response.status_code == 403


def test_a_visit_is_in_the_administrations_log(behind, admin):
    admin.get("/comfyui/queue")
    code = (
        "from django.contrib.admin.models import LogEntry;"
        "print(LogEntry.objects.filter(user__username='admin',"
        " change_message__contains='ComfyUI').count())"
    )
    assert behind.manage("shell", "-v", "0", "-c", code).strip() == "1"


TRICKS = [
    "/auth/comfyui/",
    "//comfyui/system_stats",
    "/COMFYUI/system_stats",
    "/comfyui%2fsystem_stats",
    "/x/../comfyui/system_stats",
    "/static/../comfyui/system_stats",
    "/comfyui/../comfyui/system_stats",
    "/comfyui/%2e%2e/comfyui/system_stats",
    "/comfyui/;/system_stats",
    "/system_stats",
    "/_files/../comfyui/system_stats",
]


@pytest.mark.parametrize("path", TRICKS)
def test_nothing_leads_past_the_question(behind, alice, path):
    # httpx tidies paths up, so the request is written by hand.
    for cookies in ({}, dict(alice.cookies)):
        answer = raw(behind.nginx, path, cookies)
        assert b'"devices"' not in answer
        assert answer.split(b" ", 2)[1] in (b"302", b"400", b"403", b"404")


def raw(nginx, path, cookies):
    import socket as sockets

    context = ssl.create_default_context(cafile=str(nginx.certificate))
    cookie = "; ".join(f"{k}={v}" for k, v in cookies.items())
    with (
        sockets.create_connection(("127.0.0.1", nginx.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        head = f"GET {path} HTTP/1.1\r\nHost: localhost:{nginx.port}\r\n"
        tls.sendall(f"{head}Cookie: {cookie}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := tls.recv(1 << 16):
            answer += part
        return answer


# What nginx adds and takes away, seen from behind ---------------------------------


@pytest.fixture
def witnessed(tmp_path, monkeypatch):
    """A browser at an nginx that has a witness in place of Life-OS and ComfyUI."""
    witness = Witness()
    (tmp_path / "files" / "a").mkdir(parents=True)
    (tmp_path / "files" / "a" / "picture.png").write_bytes(png(1000))
    there = f"127.0.0.1:{witness.port}"
    nginx = site(tmp_path / "nginx", lifeos=[there], comfyui=there, data=tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(nginx.certificate))
    nginx.start(nginx.port)
    with httpx.Client(base_url=nginx.url) as client:
        yield client
    nginx.stop()
    witness.close()


def test_comfyui_learns_nothing_of_the_session(witnessed):
    witnessed.cookies["sessionid"] = "secret"
    answer = witnessed.get("/comfyui/", headers={"Authorization": "Bearer secret"})
    assert "secret" not in answer.text
    assert "Set-Cookie" not in answer.headers


def test_a_clients_word_about_its_address_is_not_believed(witnessed):
    lies = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http"}
    seen = witnessed.get("/", headers=lies | {"X-Real-IP": "10.0.0.1"}).json()
    assert seen["X-Forwarded-For"] == seen["X-Real-IP"] == "127.0.0.1"
    assert seen["X-Forwarded-Proto"] == "https"


def test_a_picture_is_sent_by_nginx_and_cannot_run(witnessed):
    answer = witnessed.get("/picture", headers={"Range": "bytes=0-3"})
    assert (answer.status_code, answer.content) == (206, b"\x89PNG")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, max-age=31536000"
    assert answer.headers["Content-Disposition"] == 'inline; filename="x.png"'


# Sockets that say nothing ---------------------------------------------------------


def test_an_idle_socket_is_kept_by_our_pings_only(behind, tmp_path):
    """nginx's patience is 3 s here instead of 90 s; the pings come at 1 s or not."""
    shortened = {("locations.conf", "proxy_read_timeout 90s"): "proxy_read_timeout 3s"}
    for ping, survives in (("1", True), ("20", False)):
        port = behind.more_web(f"web-ping-{ping}", "--ping-interval", ping)
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/healthz"), "web")  # noqa: B023
        nginx = site(
            tmp_path / ping,
            lifeos=[f"127.0.0.1:{port}"],
            comfyui="127.0.0.1:1",
            data=tmp_path,
            changes=shortened,
        )
        nginx.start(nginx.port)
        try:
            assert stays_open(behind, nginx, 5) is survives
        finally:
            nginx.stop()


def stays_open(behind, nginx, seconds):
    # The name is the same, so the session is; the certificate is this nginx's own.
    context = ssl.create_default_context(cafile=str(nginx.certificate))
    headers = {"Cookie": behind.visitor.cookies(), "Origin": nginx.url}
    address = nginx.url.replace("https", "wss") + "/ws/"
    with connect(
        address, additional_headers=headers, ssl=context, ping_interval=None
    ) as page:
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                page.recv(timeout=left)
        except TimeoutError:
            return page.ping().wait(5)
        except ConnectionClosed:
            return False
        return page.ping().wait(5)


# Last, because it uses up what this address may ask.


def test_a_flood_of_pages_is_refused(behind):
    client = httpx.Client(base_url=behind.url, timeout=60)
    with client:
        statuses = [client.get("/healthz").status_code for _ in range(400)]
    assert 200 in statuses and 429 in statuses
