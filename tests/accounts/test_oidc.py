"""Sign-in by OpenID Connect, with a real provider in front of the real processes."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.accounts.identity import Provider
from tests.stack import Embedded


@pytest.fixture(scope="module")
def provider():
    provider = Provider()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory, provider):
    settings = {
        "LIFEOS_SIGNUP": "invite",
        "LIFEOS_OIDC_ISSUER": provider.url,
        "LIFEOS_OIDC_CLIENT_ID": "life-os",
        "LIFEOS_OIDC_CLIENT_SECRET": "secret",
        "LIFEOS_OIDC_NAME": "Studio",
    }
    with Embedded(tmp_path_factory.mktemp("house"), **settings) as house:
        yield house


def run(house, code):
    start = (
        "from accounts.models import *;from allauth.account.models import EmailAddress;"
    )
    return house.manage("shell", "-v", "0", "-c", start + code).strip()


@pytest.fixture
def browser(house):
    with httpx.Client(base_url=house.url, follow_redirects=True, timeout=30) as browser:
        yield browser


def go(browser):
    """Press the button on the sign-in page; the page at the end."""
    page = browser.get("/accounts/login/")
    assert "Go on with Studio" in page.text
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
    return browser.post(
        "/accounts/oidc/oidc/login/", data={"csrfmiddlewaretoken": token}
    )


def test_strangers_stay_outside_and_nothing_is_made(house, provider, browser):
    provider.claims = {"sub": "1", "email": "eve@example.org", "email_verified": True}
    assert "Sign-up is closed" in go(browser).text
    count = run(house, "print(User.objects.filter(email='eve@example.org').count())")
    assert count == "0"


def test_the_button_may_lead_there(house, provider, browser):
    policy = browser.get("/accounts/login/").headers["Content-Security-Policy"]
    assert f"form-action 'self' {provider.url}" in policy


def test_an_account_opens_only_by_an_address_that_both_sides_have_proven(
    house, provider, browser
):
    make = "u=User.objects.create_user('ann', 'ann@example.org', 'x');"
    make += (
        "EmailAddress.objects.create(user=u, email=u.email, primary=True, verified={})"
    )
    run(house, make.format("False"))
    provider.claims = {"sub": "2", "email": "ann@example.org", "email_verified": True}
    assert 'class="rail"' not in go(browser).text

    run(house, "EmailAddress.objects.update(verified=True)")
    provider.claims |= {"email_verified": False}
    assert 'class="rail"' not in go(browser).text
    provider.claims |= {"email_verified": True}
    page = go(browser)
    assert 'class="rail"' in page.text and "ann" in page.text


def test_an_invitation_lets_somebody_new_in_once(house, provider, browser):
    code = "from datetime import timedelta;from django.utils import timezone;"
    code += "print(Invitation.make(expires_at=timezone.now()+timedelta(days=1))[1])"
    token = run(house, code)
    provider.claims = {"sub": "3", "email": "neo@example.org", "email_verified": True}
    provider.claims |= {"preferred_username": "neo"}
    browser.get(f"/join/{token}/")
    page = go(browser)
    assert 'class="rail"' in page.text
    assert run(house, "print(Invitation.objects.get().uses)") == "1"
    provider.claims |= {"sub": "4", "email": "other@example.org"}
    with httpx.Client(base_url=house.url, follow_redirects=True, timeout=30) as second:
        second.get(f"/join/{token}/")
        assert "Sign-up is closed" in go(second).text
