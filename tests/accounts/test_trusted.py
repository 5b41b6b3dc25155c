"""Sign-in by a proxy in front: only from it, only with its proof."""

from __future__ import annotations

import json
import time

import httpx
import jwt
import pytest
from allauth.account.models import EmailAddress
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from accounts import trusted
from accounts.models import AuditEvent, User
from lifeos import env

PROXY, STRANGER = "10.1.2.3", "203.0.113.9"
TEAM, AUD = "studio.cloudflareaccess.com", "an-audience"


def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


KEY, OTHER = key(), key()


def public(private, kid):
    return {
        **json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key())),
        "kid": kid,
    }


@pytest.fixture
def asked(settings, monkeypatch):
    """How often the team's certificates were fetched."""
    settings.LIFEOS_TRUSTED_LOGIN = "cloudflare"
    settings.TRUSTED_PROXIES = ["10.1.2.0/24"]
    settings.LIFEOS_CLOUDFLARE_TEAM, settings.LIFEOS_CLOUDFLARE_AUD = TEAM, AUD
    calls = []

    def get(url, timeout):
        calls.append(url)
        answer = {"keys": [public(KEY, "k1")]}
        return httpx.Response(200, json=answer, request=httpx.Request("GET", url))

    monkeypatch.setattr(trusted.httpx, "get", get)
    return calls


@pytest.fixture
def tailscale(settings):
    settings.LIFEOS_TRUSTED_LOGIN = "tailscale"
    settings.TRUSTED_PROXIES = ["127.0.0.1/32"]


@pytest.fixture
def proven(alice):
    EmailAddress.objects.create(user=alice, email="alice@example.org", verified=True)
    return alice


def token(private=KEY, kid="k1", algorithm="RS256", **changed):
    now = int(time.time())
    claims = {"email": "Alice@Example.org", "aud": [AUD], "iss": f"https://{TEAM}"}
    claims |= {"iat": now, "exp": now + 60}
    claims = {k: v for k, v in (claims | changed).items() if v is not None}
    return jwt.encode(claims, private, algorithm=algorithm, headers={"kid": kid})


def visit(assertion, address=PROXY, client=None, **headers):
    client = client or Client()
    sent = {"Cf-Access-Jwt-Assertion": assertion, **headers} if assertion else headers
    return client.get("/gallery/", headers=sent, REMOTE_ADDR=address).status_code


def test_the_proxys_token_signs_its_person_in(asked, proven):
    client = Client()
    assert visit(token(), client=client) == 200
    assert visit(token(), client=client) == 200
    assert asked == [f"https://{TEAM}/cdn-cgi/access/certs"]
    event = AuditEvent.objects.get(action="sign-in.done")
    assert event.details == {"by": "cloudflare"}


@pytest.mark.parametrize(
    "forged",
    [
        token(OTHER),
        token(OTHER, kid="k2"),
        token(aud=["another-application"]),
        token(aud=None),
        token(iss="https://evil.cloudflareaccess.com"),
        token(exp=int(time.time()) - 120),
        token(exp=None),
        token("", algorithm="none"),
        token("k" * 64, algorithm="HS256"),
        token(email=""),
        "not.a.token",
        "x" * 10_000,
    ],
    ids=[
        "key",
        "kid",
        "aud",
        "no-aud",
        "iss",
        "old",
        "no-exp",
        "none",
        "hs256",
        "nobody",
        "rubbish",
        "long",
    ],
)
def test_a_forged_token_opens_nothing(asked, proven, forged):
    assert visit(forged) == 302


def test_headers_of_strangers_count_nothing(asked, proven):
    assert visit(token(), STRANGER) == 302
    spoofed = {
        "X-Forwarded-For": PROXY,
        "X-Real-Ip": PROXY,
        "Forwarded": f"for={PROXY}",
    }
    assert visit(token(), STRANGER, **spoofed) == 302
    plain = {"Cf-Access-Authenticated-User-Email": "alice@example.org"}
    assert visit("", PROXY, **plain) == 302


def test_an_unknown_key_asks_again_but_not_each_time(asked, proven):
    visit(token())
    for _ in range(5):
        visit(token(OTHER, kid="k2"))
    assert len(asked) == 1
    cache.delete("cloudflare-certs-asked")
    for _ in range(5):
        visit(token(OTHER, kid="k2"))
    assert len(asked) == 2


def test_the_certificates_being_away_is_no_error(asked, proven, monkeypatch):
    def away(*args, **kwargs):
        raise httpx.ConnectError("away")

    monkeypatch.setattr(trusted.httpx, "get", away)
    assert visit(token()) == 302


def test_only_proven_addresses_of_active_people_count(asked, alice):
    row = EmailAddress.objects.create(user=alice, email="alice@example.org")
    User.objects.filter(pk=alice.pk).update(email="alice@example.org")
    assert visit(token()) == 302
    assert AuditEvent.objects.get(action="sign-in.refused").target_name
    row.verified = True
    row.save()
    assert visit(token()) == 200
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert visit(token()) == 302


def test_somebody_else_at_the_proxy_is_somebody_else_here(asked, proven, bob):
    EmailAddress.objects.create(user=bob, email="bob@example.org", verified=True)
    client = Client()
    visit(token(), client=client)
    visit(token(email="bob@example.org"), client=client)
    assert int(client.session["_auth_user_id"]) == bob.pk


def test_the_cookie_alone_is_worth_nothing_on_another_way_in(asked, proven):
    client = Client()
    assert visit(token(), client=client) == 200
    assert visit("", STRANGER, client=client) == 302


def test_new_people_come_in_only_where_that_is_set(asked, db, settings):
    assert visit(token(email="nina@example.org")) == 302
    assert not User.objects.exists()
    settings.LIFEOS_TRUSTED_LOGIN_CREATES = True
    assert visit(token(email="nina@example.org")) == 200
    nina = User.objects.get()
    assert not nina.has_usable_password() and not nina.is_staff


def test_tailscale_is_believed_from_its_own_proxy_only(tailscale, proven):
    header = {"Tailscale-User-Login": "alice@example.org"}
    assert visit("", "127.0.0.1", **header) == 200
    assert visit("", "::ffff:127.0.0.1", **header) == 200
    assert visit("", STRANGER, **header) == 302
    assert visit("", "", **header) == 302


def test_it_is_off_unless_it_is_set(proven):
    header = {"Tailscale-User-Login": "alice@example.org"}
    assert visit(token(), "127.0.0.1", **header) == 302


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"TRUSTED_PROXIES": []}, "LIFEOS_TRUSTED_PROXIES"),
        ({"LIFEOS_CLOUDFLARE_AUD": ""}, "LIFEOS_CLOUDFLARE_AUD"),
        ({"LIFEOS_CLOUDFLARE_TEAM": "https://a.b/"}, "LIFEOS_CLOUDFLARE_TEAM"),
    ],
)
def test_half_a_set_up_stops_the_start(changed, missing):
    given = {"LIFEOS_TRUSTED_LOGIN": "cloudflare", "TRUSTED_PROXIES": ["10.0.0.1/32"]}
    given |= {"LIFEOS_CLOUDFLARE_TEAM": TEAM, "LIFEOS_CLOUDFLARE_AUD": AUD}
    env.check_trusted_login(given)
    with pytest.raises(ImproperlyConfigured, match=missing):
        env.check_trusted_login(given | changed)
