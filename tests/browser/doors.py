"""People at doors that one seldom sees. Called inside a deployment, by its shell."""

from __future__ import annotations

import time

from allauth.account.forms import default_token_generator
from allauth.account.internal.flows import login as flow
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from accounts.models import User
from tests.stack.visitor import PASSWORD


def session(user=None, **values):
    """The key of a session, signed in or not."""
    store = SessionStore()
    if user is not None:
        store[SESSION_KEY] = str(user.pk)
        store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        store[HASH_SESSION_KEY] = user.get_session_auth_hash()
        once = {"method": "password", "at": time.time(), "reauthenticated": True}
        store[flow.AUTHENTICATION_METHODS_SESSION_KEY] = [once]
        store[flow._AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(user.pk)
    store.update(values)
    store.create()
    return store.session_key


def doors():
    """Who stands there: the key of their session, and the addresses of their pages.

    Whoever has no key signs in by name: "half" has given a password, and no code yet.
    """
    made = User.objects.create_user
    careful = made("careful", "careful@example.org", PASSWORD)
    TOTP.activate(careful, generate_totp_secret())
    RecoveryCodes.activate(careful)
    keyed = made("keyed", "keyed@example.org", PASSWORD)
    passkey = Authenticator.objects.create(
        user=keyed,
        type=Authenticator.Type.WEBAUTHN,
        data={"name": "Phone", "credential": {}},
    )
    new = EmailAddress.objects.create(user=careful, email="new@example.org")
    bare = made("bare", "bare@example.org")
    account = SocialAccount(provider="google", uid="1", extra_data={})
    guest = SocialLogin(
        provider=get_adapter().get_provider(None, "google"),
        user=User(username="guest", email="guest@example.org"),
        account=account,
        email_addresses=[EmailAddress(email="guest@example.org", verified=True)],
    )
    uid, key = user_pk_to_url_str(careful), default_token_generator.make_token(careful)
    confirm = EmailConfirmationHMAC(new).key
    keys = f"/accounts/2fa/webauthn/keys/{passkey.pk}"
    return {
        "nobody": [
            None,
            f"/accounts/confirm-email/{confirm}/",
            f"/accounts/password/reset/key/{uid}-{key}/",
        ],
        "guest": [
            session(socialaccount_sociallogin=guest.serialize()),
            "/accounts/3rdparty/signup/",
        ],
        "bare": [session(bare), "/accounts/password/set/"],
        "half": ["careful", "/accounts/2fa/authenticate/"],
        "keyed": [
            session(keyed),
            "/accounts/2fa/",
            "/accounts/2fa/webauthn/",
            f"{keys}/edit/",
            f"{keys}/remove/",
        ],
        "careful": [
            session(careful),
            "/accounts/2fa/reauthenticate/",
            "/accounts/reauthenticate/",
            "/accounts/2fa/",
            "/accounts/2fa/recovery-codes/",
            "/accounts/2fa/totp/deactivate/",
            "/accounts/email/",
        ],
    }
