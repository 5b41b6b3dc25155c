"""Accounts in a real browser: let in, with a passkey; signed out; looked as."""

from __future__ import annotations

import time

import pytest
from allauth.mfa.totp.internal import auth
from playwright.sync_api import expect

from tests.browser.axe import violations
from tests.stack import Embedded
from tests.stack.visitor import PASSWORD

NEW = "a-long-enough-pass-9"
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Let in by invitation only; by name, since passkeys belong to names."""
    folder = tmp_path_factory.mktemp("house")
    with Embedded(folder, speed=0.2, LIFEOS_SIGNUP="invite") as house:
        house.named = house.url.replace("127.0.0.1", "localhost")
        yield house


@pytest.fixture
def visit(chromium, house):
    """A function that opens a page of a browser of its own; refused scripts fail."""
    contexts, faults = [], []

    def visit(**options):
        options = {"viewport": {"width": 1440, "height": 900}, **options}
        context = chromium.new_context(base_url=house.named, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console",
            lambda m: faults.append(m.text) if "Content Security" in m.text else None,
        )
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not faults


def sign_in(page, name="admin", password=PASSWORD):
    page.goto("/accounts/login/")
    page.fill("[name=login]", name)
    page.fill("[name=password]", password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def person(house, name):
    """An account beside the administrator's."""
    made = f"User.objects.create_user({name!r}, password={PASSWORD!r})"
    code = f"from accounts.models import User;{made}"
    house.manage("shell", "-v", "0", "-c", code)


def prove(page, password):
    """The page that asks once more, if it does."""
    if "reauthenticate" in page.url:
        page.fill("[name=password]", password)
        page.get_by_role("button", name="Go on").click()


def authenticator(page):
    """A platform authenticator that says yes, as a phone's fingerprint would."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_invited_signed_up_by_passkey_and_makes_a_picture(visit):
    admin = visit()
    sign_in(admin)
    admin.goto("/people/invitations/")
    admin.fill("[name=note]", "Nina")
    admin.get_by_role("button", name="Make the link").click()
    link = admin.locator("#invitation-link").inner_text().strip()

    nina = visit(viewport=PHONE)
    authenticator(nina)
    nina.goto(link)
    for name, value in {
        "username": "nina",
        "email": "nina@example.org",
        "password1": NEW,
        "password2": NEW,
    }.items():
        nina.fill(f"[name={name}]", value)
    nina.get_by_role("button", name="Sign up").click()
    expect(nina.locator(".rail")).to_be_visible()

    nina.goto("/accounts/2fa/webauthn/add/")
    prove(nina, NEW)
    nina.fill("[name=name]", "Phone")
    nina.check("[name=passwordless]")
    nina.locator("#mfa_webauthn_add").click()
    nina.wait_for_url("**/recovery-codes/**")
    expect(nina.locator("#recovery-codes")).to_contain_text("\n")

    nina.context.clear_cookies()
    nina.goto("/accounts/login/")
    nina.get_by_role("button", name="Sign in with a passkey").click()
    expect(nina.locator(".rail")).to_be_visible()

    nina.goto("/generate/test-card/")
    nina.get_by_role("button", name="Generate").first.click()
    expect(nina.locator(".job-images img").first).to_be_visible(timeout=60_000)


def test_an_authenticator_app_and_its_codes(visit, house):
    person(house, "tom")
    page = visit()
    sign_in(page, "tom")
    page.goto("/accounts/2fa/totp/activate/")
    prove(page, PASSWORD)
    secret = page.input_value("#authenticator_secret")
    assert page.locator("img.qr").evaluate("i => i.naturalWidth > 0")
    page.fill("[name=code]", "000000")
    page.get_by_role("button", name="Switch it on").click()
    expect(page.locator(".error")).to_be_visible()
    page.fill("[name=code]", code(secret))
    page.get_by_role("button", name="Switch it on").click()
    expect(page.locator("#recovery-codes")).to_be_visible()
    spare = page.locator("#recovery-codes").inner_text().split()[0]

    other = visit()
    sign_in(other, "tom")
    expect(other.get_by_text("And now the second step")).to_be_visible()
    assert violations(other) == []
    other.fill("[name=code]", spare)
    other.get_by_role("button", name="Sign in", exact=True).click()
    expect(other.locator(".rail")).to_be_visible()


def code(secret):
    return auth.format_hotp_value(auth.hotp_value(secret, int(time.time()) // 30))


def test_another_device_is_signed_out_and_its_page_notices(visit, house):
    person(house, "dora")
    here, there = visit(), visit()
    sign_in(here, "dora")
    expect(here.locator(".rail")).to_be_visible()
    # The first page has a socket, too, which is not the one that is meant.
    with there.expect_websocket():
        sign_in(there, "dora")
    with there.expect_websocket() as opened:
        there.goto("/jobs/")
    socket = opened.value
    here.goto("/accounts/sessions/")
    others = here.locator(".row-item").filter(has_not_text="This one")
    with socket.expect_event("close"):
        others.get_by_role("button", name="Sign out").first.click()
    expect(here.get_by_text("That device is signed out.")).to_be_visible()
    there.goto("/gallery/")
    assert "/accounts/login/" in there.url
    here.goto("/gallery/")
    assert "/accounts/login/" not in here.url


def test_to_look_as_somebody_is_seen_on_every_page_and_ends_by_one_click(visit, house):
    person(house, "lena")
    admin = visit()
    sign_in(admin)
    admin.goto("/people/?q=lena")
    admin.get_by_role("link", name="lena").click()
    admin.fill("[name=reason]", "Lena asked for help")
    admin.get_by_role("button", name="Look", exact=True).click()
    banner = admin.locator(".looking")
    for address in ("/", "/generate/", "/gallery/"):
        admin.goto(address)
        expect(banner).to_contain_text("You look at Life-OS as lena")
    assert violations(admin) == []
    admin.goto("/accounts/email/")
    expect(admin.get_by_role("heading", name="You only look")).to_be_visible()
    admin.goto("/gallery/")
    banner.get_by_role("button", name="Stop looking").click()
    expect(admin.get_by_role("heading", name="lena", exact=True)).to_be_visible()
    expect(banner).to_have_count(0)

    lena = visit(viewport=PHONE)
    sign_in(lena, "lena")
    lena.goto("/accounts/security/")
    expect(lena.get_by_text("Lena asked for help")).to_be_visible()
