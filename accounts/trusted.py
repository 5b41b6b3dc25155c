"""Sign-in by a proxy in front: Cloudflare Access or Tailscale.

Off unless LIFEOS_TRUSTED_LOGIN names one, and only from LIFEOS_TRUSTED_PROXIES: the
address of the connection itself counts, no header does.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import login
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest

from accounts import audit, proxies
from accounts.models import User

log = logging.getLogger(__name__)

SESSION_KEY = "trusted_login"
CERTS_FOR = 3600
# A token with an unknown key makes us ask again, but not with each request.
ASK_AGAIN_AFTER = 60
TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the proxy says it is. `email` is lower case and proven by the proxy."""

    email: str
    name: str = ""


def identity_of(request: HttpRequest) -> Identity | None:
    """Who stands behind this request, or None; never raises."""
    if not proxies.is_trusted(request):
        return None
    if settings.LIFEOS_TRUSTED_LOGIN == "cloudflare":
        return _cloudflare(request.headers.get("Cf-Access-Jwt-Assertion", ""))
    if settings.LIFEOS_TRUSTED_LOGIN == "tailscale":
        address = request.headers.get("Tailscale-User-Login", "").strip().lower()
        name = request.headers.get("Tailscale-User-Name", "").strip()
        return Identity(address, name[:150]) if "@" in address else None
    return None


# Cloudflare -----------------------------------------------------------------------


def _cloudflare(token: str) -> Identity | None:
    """The JWT is the proof; Cf-Access-Authenticated-User-Email alone is none."""
    if not token or len(token) > 8192:
        return None
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            _key(str(jwt.get_unverified_header(token).get("kid", ""))),
            algorithms=["RS256"],
            audience=settings.LIFEOS_CLOUDFLARE_AUD,
            issuer=_team(),
            leeway=30,
            options={"require": ["exp", "iat", "aud", "iss"]},
        )
    except (jwt.PyJWTError, httpx.HTTPError, ValueError) as exc:
        log.warning("a Cloudflare Access token was refused: %s", exc)
        return None
    address = str(claims.get("email", "")).strip().lower()
    return Identity(address) if "@" in address else None


def _team() -> str:
    return f"https://{settings.LIFEOS_CLOUDFLARE_TEAM}"


def _key(kid: str) -> Any:
    """The team's public key of this id. Raises PyJWTError, HTTPError, ValueError."""
    found = _find(cache.get("cloudflare-certs"), kid)
    if found is None and cache.add("cloudflare-certs-asked", 1, ASK_AGAIN_AFTER):
        answer = httpx.get(f"{_team()}/cdn-cgi/access/certs", timeout=TIMEOUT)
        certs = answer.raise_for_status().json()
        cache.set("cloudflare-certs", certs, CERTS_FOR)
        found = _find(certs, kid)
    if found is None:
        raise jwt.InvalidTokenError("it is signed with a key that the team has not")
    return found


def _find(certs: Any, kid: str) -> Any:
    for entry in (certs or {}).get("keys", []):
        if entry.get("kid") == kid and entry.get("kty") == "RSA":
            return jwt.PyJWK(entry, algorithm="RS256").key
    return None


# People ---------------------------------------------------------------------------


def sign_in(request: HttpRequest, identity: Identity) -> bool:
    """Open a session for the person of this proven address; False: there is none."""
    person = _person(request, identity)
    if person is None or not person.is_active:
        if cache.add(f"refused:{identity.email}", 1, 300):
            audit.record(request, "sign-in.refused", person, name=identity.email)
        return False
    request.signed_in_by = settings.LIFEOS_TRUSTED_LOGIN  # type: ignore[attr-defined]
    login(request, person, backend=settings.AUTHENTICATION_BACKENDS[0])
    request.session[SESSION_KEY] = identity.email
    return True


def _person(request: HttpRequest, identity: Identity) -> User | None:
    """By a verified address only: anybody may write down anybody's."""
    rows = EmailAddress.objects.filter(email__iexact=identity.email, verified=True)
    known = rows.select_related("user").first()
    if known is not None:
        return known.user  # type: ignore[no-any-return]
    if settings.LIFEOS_TRUSTED_LOGIN_CREATES:
        return _create(request, identity)
    return None


def _create(request: HttpRequest, identity: Identity) -> User:
    from allauth.utils import generate_unique_username

    with transaction.atomic():
        name = generate_unique_username([identity.email.partition("@")[0], "person"])
        person = User(username=name, email=identity.email, first_name=identity.name)
        person.set_unusable_password()
        person.save()
        EmailAddress.objects.create(
            user=person, email=identity.email, verified=True, primary=True
        )
        audit.record(request, "sign-up.done", person, actor=person, by="proxy")
    return person
