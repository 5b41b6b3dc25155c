"""Calls to addresses that people typed reach the internet, and nothing of ours."""

from __future__ import annotations

import datetime
import ipaddress
import ssl

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from accounts import guard
from tests.receiver import receiving

PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.9.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.251",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "100::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2002:7f00:1::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"]


@pytest.fixture
def names(monkeypatch):
    """A name server: by name, the answers one after another, the last for ever."""
    zone, asked = {}, []

    async def lookup(host, port):
        asked.append(host)
        answers = zone.get(host)
        if answers is None:
            raise OSError("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    monkeypatch.setattr(guard, "lookup", lookup)
    zone_and_asked = type("Names", (), {"zone": zone, "asked": asked})
    return zone_and_asked


async def send(url, trust=None):
    async with guard.client(trust) as caller:
        return await guard.post(caller, url, b"{}", {"x-test": "1"})


@pytest.mark.parametrize("text", PRIVATE)
def test_it_is_not_public(text):
    assert not guard.is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_it_is_public(text):
    assert guard.is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_INFO",
        "//example.org",
        "example.org",
        "http://",
        "http:///path",
        "http://[::1/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://user@example.org/",
        "http://example.org@127.0.0.1/",
        "http://example.org\\@127.0.0.1/",
        "http://127.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://localhost:8000/",
        "http://printer.local/",
        "http://exa mple.org/",
        "http://example.org/\r\nhost: other",
        "http://example.org/" + "x" * 500,
    ],
)
def test_what_can_be_seen_is_refused_when_it_is_written(url):
    with pytest.raises(guard.Refused):
        guard.check_url(url)


@pytest.mark.parametrize(
    "url", ["https://example.org/a?b=c", "http://8.8.8.8:8080/", "https://ä.example/"]
)
def test_what_looks_public_is_taken(url):
    guard.check_url(url)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1"])
async def test_other_ways_to_write_an_address_resolve_to_it(host):
    """The system's resolver reads them, so they are checked after it."""
    with receiving() as told:
        with pytest.raises(guard.Refused):
            await send(f"http://{host}:{told.port}/")
        assert told.calls == []


@pytest.mark.parametrize("text", PRIVATE)
async def test_a_name_that_leads_inside_is_refused(names, text):
    names.zone["hook.example"] = [[text]]
    with pytest.raises(guard.Refused, match="no public address"):
        await send("http://hook.example/")


async def test_one_private_address_among_public_ones_is_enough(names):
    names.zone["hook.example"] = [["93.184.216.34", "10.0.0.1"]]
    with pytest.raises(guard.Refused):
        await send("http://hook.example/")


async def test_a_name_that_is_not_there_sounds_like_a_private_one(names):
    with pytest.raises(guard.Refused, match="no public address"):
        await send("http://nowhere.example/")


async def test_it_connects_to_the_very_address_that_was_checked(names, monkeypatch):
    """A name server that says something public first, and 127.0.0.1 ever after."""
    reached = []

    async def connect(self, host, port, *more):
        reached.append(host)
        raise httpcore.ConnectError("nobody there")

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    names.zone["rebind.example"] = [["93.184.216.34"], ["127.0.0.1"]]
    with pytest.raises(guard.Unreachable):
        await send("http://rebind.example/")
    assert (reached, names.asked) == (["93.184.216.34"], ["rebind.example"])
    with pytest.raises(guard.Refused):
        await send("http://rebind.example/")
    assert reached == ["93.184.216.34"]


async def test_a_redirect_is_told_and_not_followed(names, settings):
    settings.LIFEOS_WEBHOOK_ALLOW = ["hook.example"]
    names.zone["hook.example"] = [["127.0.0.1"]]
    with receiving() as inside, receiving() as told:
        told.status, told.location = 307, inside.url
        assert await send(f"http://hook.example:{told.port}/x") == 307
        assert inside.calls == []


@pytest.mark.parametrize("allow", ["127.0.0.0/8", "127.0.0.1", "hook.example"])
async def test_what_is_allowed_is_called_by_its_own_name(names, settings, allow):
    settings.LIFEOS_WEBHOOK_ALLOW = [allow]
    names.zone["hook.example"] = [["127.0.0.1"]]
    with receiving() as told:
        assert await send(f"http://hook.example:{told.port}/x") == 204
        [(path, headers, body)] = told.calls
        assert (path, body) == ("/x", b"{}")
        assert headers["Host"] == f"hook.example:{told.port}"


async def test_what_is_allowed_lets_nothing_else_in(names, settings):
    settings.LIFEOS_WEBHOOK_ALLOW = ["10.9.0.0/16", "hook.example"]
    names.zone["other.example"] = [["127.0.0.1"]]
    with pytest.raises(guard.Refused):
        await send("http://other.example/")


async def test_no_proxy_of_the_environment_connects_for_us(monkeypatch, names):
    names.zone["hook.example"] = [["10.0.0.1"]]
    with receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(guard.Refused):
            await send("http://hook.example/")
        assert proxy.calls == []


async def test_an_answer_that_drips_is_given_up(settings, monkeypatch):
    settings.LIFEOS_WEBHOOK_ALLOW = ["127.0.0.1"]
    monkeypatch.setattr(guard, "TOTAL", 0.5)
    with receiving() as told:
        told.drip = 0.1
        with pytest.raises(guard.Unreachable, match="in time"):
            await send(told.url)


def certificate_for(name, folder):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def test_tls_asks_for_the_name_and_checks_it(names, settings, tmp_path):
    settings.LIFEOS_WEBHOOK_ALLOW = ["127.0.0.1"]
    path = certificate_for("hook.example", tmp_path)
    trust = ssl.create_default_context(cafile=str(path))
    names.zone["hook.example"] = names.zone["other.example"] = [["127.0.0.1"]]
    with receiving(path) as told:
        address = f"hook.example:{told.port}"
        assert await send(f"https://{address}/", trust) == 204
        assert told.names == ["hook.example"]
        with pytest.raises(guard.Unreachable):
            await send(f"https://other.example:{told.port}/", trust)
        with pytest.raises(guard.Unreachable):  # nobody vouches for it
            await send(f"https://{address}/")
        assert len(told.calls) == 1
