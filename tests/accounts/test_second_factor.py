"""TOTP and recovery codes; staff who need them."""

from __future__ import annotations

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth
from django.core.cache import cache

from accounts import secrets
from tests import make
from tests.accounts.conftest import signed_in

# allauth tells of a new factor on commit.
pytestmark = pytest.mark.django_db(transaction=True)


def code(secret):
    return auth.format_hotp_value(auth.hotp_value(secret, int(time.time()) // 30))


def prove(client, name):
    values = {"password": f"{name}-password"}
    assert client.post("/accounts/reauthenticate/", values).status_code == 302


def set_up(client, name):
    """TOTP for this person, by the pages; the secret."""
    prove(client, name)
    page = client.get("/accounts/2fa/totp/activate/")
    secret = page.context["form"].secret
    done = client.post("/accounts/2fa/totp/activate/", {"code": code(secret)})
    assert done.status_code == 302, done.context["form"].errors
    cache.clear()  # a code counts once: the next one may be the same
    return secret


def test_a_password_alone_is_half_the_way(alice, as_alice, sign_in):
    secret = set_up(as_alice, "alice")
    client, response = sign_in("alice")
    assert response["Location"] == "/accounts/2fa/authenticate/"
    assert client.get("/gallery/").status_code == 302
    page = client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert page.status_code == 200
    assert client.get("/gallery/").status_code == 302
    client.post("/accounts/2fa/authenticate/", {"code": code(secret)})
    assert client.get("/gallery/").status_code == 200


def test_a_recovery_code_counts_once(alice, as_alice, sign_in):
    set_up(as_alice, "alice")
    codes = as_alice.get("/accounts/2fa/recovery-codes/").context["unused_codes"]
    assert len(codes) == 10
    for known in (True, False):
        client, _ = sign_in("alice")
        client.post("/accounts/2fa/authenticate/", {"code": codes[0]})
        assert (client.get("/gallery/").status_code == 200) is known


def test_the_secret_is_encrypted_at_rest(alice, as_alice):
    secret = set_up(as_alice, "alice")
    row = Authenticator.objects.get(user=alice, type="totp")
    assert secret not in str(row.data)
    assert secrets.decrypt(row.data["secret"]) == secret


@pytest.mark.parametrize(
    "address",
    ["totp/activate/", "webauthn/add/", "recovery-codes/generate/", "totp/deactivate/"],
)
def test_factors_are_changed_only_by_who_proves_themselves(as_alice, address):
    for answer in (
        as_alice.get(f"/accounts/2fa/{address}"),
        as_alice.post(f"/accounts/2fa/{address}"),
    ):
        assert answer.status_code in (302, 404)
        if answer.status_code == 302:
            assert "/accounts/reauthenticate/" in answer["Location"] or (
                "/accounts/2fa/" in answer["Location"]
            )
    assert not Authenticator.objects.exists()


# Staff ----------------------------------------------------------------------------

STAFF = [
    "/servers/",
    "/templates/",
    "/people/",
    "/people/audit/",
    "/admin/",
    "/admin/auth/group/",
]


@pytest.fixture
def needed(settings):
    settings.LIFEOS_STAFF_2FA = True


def test_staff_without_a_second_factor_see_no_staff_page(needed, root, as_root):
    for address in STAFF:
        response = as_root.get(address, follow=True)
        assert response.redirect_chain[-1][0].startswith("/accounts/second-factor/")
        assert "Set up a passkey" in response.content.decode()
    assert as_root.post("/servers/queue/", {"do": "pause"}).status_code == 302
    from generation.models import QueueState

    assert not QueueState.load().paused
    # Their own pictures are theirs all the same.
    assert as_root.get("/gallery/").status_code == 200


def test_with_one_they_do(needed, root, as_root, sign_in):
    secret = set_up(as_root, "root")
    assert [as_root.get(a).status_code for a in STAFF] == [200] * len(STAFF)
    client, _ = sign_in("root")
    client.post("/accounts/2fa/authenticate/", {"code": code(secret)})
    assert client.get("/people/").status_code == 200


def test_a_session_of_one_factor_is_asked_for_the_other(needed, root, as_root):
    secret = set_up(as_root, "root")
    other = signed_in(root)
    page = other.get("/people/", follow=True).content.decode()
    assert "/accounts/2fa/reauthenticate/?next=/people/" in page
    address = "/accounts/2fa/reauthenticate/"
    done = other.post(address, {"code": code(secret), "next": "/people/"})
    assert done["Location"] == "/people/"
    assert other.get("/people/").status_code == 200


def test_staff_keep_their_last_factor(needed, root, as_root):
    set_up(as_root, "root")
    as_root.post("/accounts/2fa/totp/deactivate/")
    assert Authenticator.objects.filter(user=root, type="totp").exists()


def test_the_page_leads_nowhere_else(needed, as_root):
    set_up(as_root, "root")
    answer = as_root.get("/accounts/second-factor/?next=//evil.example/")
    assert answer["Location"] == "/"


def test_members_need_none(needed, as_alice):
    assert as_alice.get("/gallery/").status_code == 200
    assert as_alice.get("/people/").status_code == 404


def test_the_administration_has_no_sign_in_of_its_own(client, db):
    response = client.get("/admin/login/?next=/admin/")
    assert response["Location"] == "/accounts/login/?next=/admin/"
    make.user("dora", is_staff=True)
    values = {"username": "dora", "password": "dora-password"}
    client.post("/admin/login/", values)
    assert client.get("/admin/").status_code == 302
