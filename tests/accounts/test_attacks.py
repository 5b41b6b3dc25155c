"""What an attacker tries at the door. Each fails, with nothing revealed."""

from __future__ import annotations

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from accounts.models import AuditEvent, User
from lifeos import origin
from tests import make
from tests.accounts.conftest import signed_in

EVIL = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example",
    "/\\evil.example",
    "http:evil.example",
    "javascript:alert(1)",
    "http://testserver@evil.example/",
    "http://testserver/gallery/",
]


# Guessing -------------------------------------------------------------------------


def guess(address="127.0.0.1", name="alice", **headers):
    values = {"login": name, "password": "wrong"}
    client = Client()
    response = client.post(
        "/accounts/login/", values, headers=headers, REMOTE_ADDR=address
    )
    return response.content.decode()


LIMITED = "Too many failed login attempts"


def test_guessing_one_name_is_stopped_even_for_the_right_password(alice, sign_in):
    pages = [guess(f"192.0.2.{i}") for i in range(8)]
    assert LIMITED not in pages[0] and LIMITED in pages[-1]
    client, response = sign_in("alice")
    assert response.status_code == 200
    assert client.get("/gallery/").status_code == 302


def test_a_spoofed_address_does_not_escape_the_limit(alice, bob, settings):
    """The client writes X-Forwarded-For; the one proxy appends what it saw."""
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    pages = [
        guess(
            "10.0.0.1",
            f"name{i}",
            **{"X-Forwarded-For": f"198.51.100.{i}, 203.0.113.9"},
        )
        for i in range(13)
    ]
    assert LIMITED in pages[-1]
    # Somebody else behind the same proxy is not locked out with them.
    other = guess("10.0.0.1", "name99", **{"X-Forwarded-For": "203.0.113.77"})
    assert LIMITED not in other


def test_without_a_proxy_the_header_counts_nothing(alice):
    pages = [
        guess(name=f"name{i}", **{"X-Forwarded-For": f"198.51.100.{i}"})
        for i in range(13)
    ]
    assert LIMITED in pages[-1]
    ips = set(AuditEvent.objects.values_list("ip", flat=True))
    assert ips == {"127.0.0.1"}


def test_a_header_that_is_too_short_or_rubbish_is_no_error(alice, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2
    for header in ("1.2.3.4", "rubbish, more", ",,,", "<script>"):
        assert guess(**{"X-Forwarded-For": header})


def test_signing_up_again_and_again_is_stopped(db, settings):
    settings.LIFEOS_SIGNUP = "open"
    statuses = []
    for i in range(25):
        password = "a-long-enough-pass-9"
        values = {"username": f"n{i}", "email": f"n{i}@example.org"}
        values |= {"password1": password, "password2": password}
        statuses.append(Client().post("/accounts/signup/", values).status_code)
    assert statuses[-1] == 429
    assert User.objects.count() <= 20


# Who has an account here? ---------------------------------------------------------


def test_a_forgotten_password_tells_nobody_who_is_here(alice):
    User.objects.filter(pk=alice.pk).update(email="alice@example.org")
    EmailAddress.objects.create(user=alice, email="alice@example.org", primary=True)
    pages = []
    for address in ("alice@example.org", "nobody@example.org"):
        client = Client()
        first = client.post("/accounts/password/reset/", {"email": address})
        page = re.sub(
            r'"X-CSRFToken": "\w+"', "", client.get(first["Location"]).content.decode()
        )
        pages.append((first.status_code, first["Location"], page))
    assert pages[0] == pages[1]
    assert [m.to for m in mail.outbox] == [["alice@example.org"]]


def test_a_wrong_password_and_a_wrong_name_look_the_same(alice):
    def plain(name):
        return guess(name=name).replace(name, "NAME").split("<form")[1].split("csrf")[0]

    assert plain("alice") == plain("nobody")


def test_sign_up_of_a_taken_address_looks_like_any_other(alice, settings):
    settings.LIFEOS_SIGNUP = "open"
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    EmailAddress.objects.create(user=alice, email="alice@example.org", verified=True)
    answers = []
    for name, address in (("new1", "alice@example.org"), ("new2", "fresh@example.org")):
        settings.LIFEOS_SIGNUP_APPROVAL = False
        values = {"username": name, "email": address}
        values |= {
            "password1": "a-long-enough-pass-9",
            "password2": "a-long-enough-pass-9",
        }
        response = Client().post("/accounts/signup/", values)
        answers.append((response.status_code, response.get("Location")))
    assert answers[0] == answers[1]
    assert not User.objects.filter(username="new1").exists()


# Sessions -------------------------------------------------------------------------


def test_a_planted_session_is_not_the_one_that_is_signed_in(alice, sign_in, settings):
    client = Client()
    settings.LIFEOS_SIGNUP = "invite"
    session = client.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    client.cookies[settings.SESSION_COOKIE_NAME] = planted
    sign_in("alice", client=client)
    assert client.session.session_key != planted
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = planted
    assert thief.get("/gallery/").status_code == 302


def test_cookies_are_out_of_reach_of_scripts(alice, sign_in):
    client, _ = sign_in("alice")
    client.get("/accounts/security/")
    for cookie in client.cookies.values():
        if cookie.key in ("sessionid", "csrftoken"):
            assert cookie["httponly"] and cookie["samesite"] == "Lax"


@pytest.mark.parametrize("target", EVIL)
def test_no_sign_in_leads_elsewhere(alice, target):
    client = Client()
    values = {"login": "alice", "password": "alice-password", "next": target}
    response = client.post("/accounts/login/", values)
    assert response.status_code == 302
    assert response["Location"] == "/"
    as_alice = signed_in(alice)
    again = {"password": "alice-password", "next": target}
    answer = as_alice.post("/accounts/reauthenticate/", again)
    assert (
        not answer.get("Location", "/")
        .lower()
        .startswith(("http", "//", "/\\", "java"))
    )
    answer = as_alice.post("/accounts/logout/", {"next": target})
    assert answer["Location"] == "/accounts/login/"


def test_every_form_wants_its_token(alice, root):
    client = Client(enforce_csrf_checks=True)
    client.force_login(root)
    for address in (
        "/accounts/delete/",
        "/accounts/export/",
        "/accounts/sessions/1/end/",
        f"/people/{alice.pk}/do/",
        f"/people/{alice.pk}/look/",
        "/people/invitations/",
        "/accounts/logout/",
    ):
        assert client.post(address, {"do": "deactivate"}).status_code == 403


# More than one may ----------------------------------------------------------------


def test_sign_up_gives_no_more_than_the_form_asks(db, settings):
    settings.LIFEOS_SIGNUP = "open"
    password = "a-long-enough-pass-9"
    values = {"username": "mallory", "email": "m@example.org"}
    values |= {"password1": password, "password2": password}
    extra = {"is_staff": "on", "is_superuser": "on", "is_active": "on", "groups": "1"}
    extra |= {"awaiting_approval": ""}
    Client().post("/accounts/signup/", values | extra)
    mallory = User.objects.get()
    assert not (mallory.is_staff or mallory.is_superuser or mallory.is_active)
    assert mallory.standing == "waiting"


def test_sessions_exports_and_keys_of_others_do_not_exist(alice, as_bob):
    from allauth.mfa.models import Authenticator
    from allauth.usersessions.models import UserSession

    from accounts.models import Export

    signed_in(alice).get("/gallery/")
    session = UserSession.objects.get(user=alice)
    export = Export.objects.create(owner=alice, state="ready", file="exports/x.zip")
    factor = Authenticator.objects.create(
        user=alice, type="webauthn", data={"name": "k"}
    )
    assert as_bob.post(f"/accounts/sessions/{session.pk}/end/").status_code == 404
    prove(as_bob, "bob")
    assert as_bob.get(f"/accounts/export/{export.pk}/").status_code == 404
    for deed in ("edit", "remove"):
        answer = as_bob.post(f"/accounts/2fa/webauthn/keys/{factor.pk}/{deed}/")
        assert answer.status_code == 404
    assert UserSession.objects.filter(pk=session.pk).exists()
    assert Authenticator.objects.filter(pk=factor.pk).exists()


def prove(client, name):
    client.post("/accounts/reauthenticate/", {"password": f"{name}-password"})


def test_a_name_that_is_a_script_is_text_everywhere(as_root, db):
    name = "<script>alert(1)</script>"
    mallory = make.user("mallory", first_name=name, last_name='"><img src=x>')
    for address in ("/people/", f"/people/{mallory.pk}/", "/people/audit/"):
        page = as_root.get(address).content.decode()
        assert "<script>alert" not in page and "<img src=x>" not in page
    as_root.post(f"/people/{mallory.pk}/look/", {"reason": name})
    page = signed_in(mallory).get("/accounts/security/").content.decode()
    assert "<script>alert" not in page and "&lt;script&gt;" in page


# Headers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["/accounts/login/", "/accounts/security/", "/people/"]
)
def test_pages_run_no_script_of_their_own(as_root, address):
    response = as_root.get(address, follow=True)
    policy = response["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "style-src 'self'" in policy
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    page = response.content.decode()
    assert "style=" not in page and "onclick=" not in page
    # Data for scripts is no script; nothing else is written into the page.
    inline = [p for p in page.split("<script")[1:] if "src=" not in p.split(">")[0]]
    assert all('type="application/json"' in p.split(">")[0] for p in inline)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Permissions-Policy"].startswith("camera=()")
    assert response["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("given", "host", "own"),
    [
        ("https://life.example", "life.example", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://life.example:80", "life.example", True),
        ("https://evil.example", "life.example", False),
        ("https://life.example.evil.example", "life.example", False),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", False),
        ("null", "life.example", False),
        ("", "life.example", False),
        ("file://life.example", "life.example", False),
        ("https://app.example", "life.example", True),
    ],
)
def test_sockets_are_opened_by_our_own_pages_only(settings, given, host, own):
    settings.ALLOWED_HOSTS = ["*"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example"]
    assert origin.is_own(given, host) is own


def test_the_token_of_somebody_who_is_switched_off_is_refused_at_once(alice, as_root):
    client = Client()
    values = {"username": "alice", "password": "alice-password"}
    address = "/_allauth/app/v1/auth/login"
    answer = client.post(address, values, content_type="application/json").json()
    headers = {"Authorization": f"Bearer {answer['meta']['access_token']}"}
    jobs = "/api/comfyui/jobs"
    assert Client().get(jobs, headers=headers).status_code == 200
    as_root.post(f"/people/{alice.pk}/do/", {"do": "deactivate"})
    assert Client().get(jobs, headers=headers).status_code == 401
    # Nor does it come back with the person: the session is gone.
    as_root.post(f"/people/{alice.pk}/do/", {"do": "activate"})
    assert Client().get(jobs, headers=headers).status_code == 401
