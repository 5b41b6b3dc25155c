"""Settings from the environment, each also readable from the file NAME_FILE.

Every reader stops the start with a sentence that says what to write instead.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.FileAwareEnv()
T = TypeVar("T")


def _read(name: str, default: T, parse: Callable[[str], T], wanted: str) -> T:
    try:
        raw = env.str(name, default="").strip()
    except OSError as exc:
        message = f"{name}_FILE names a file that can't be read: {exc}."
        raise ImproperlyConfigured(message) from exc
    if not raw:
        return default
    try:
        return parse(raw)
    except (ValueError, KeyError) as exc:
        # The value itself stays out of the message: it may be a secret.
        message = f"The environment variable {name} is wrong: {wanted}."
        raise ImproperlyConfigured(message) from exc


def text(name: str, default: str = "") -> str:
    return _read(name, default, str, "expected text")


def boolean(name: str, default: bool) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True}
    words |= {"false": False, "0": False, "no": False, "off": False}
    return _read(name, default, lambda raw: words[raw.lower()], "use True or False")


def integer(name: str, default: int) -> int:
    return _read(name, default, int, "use a whole number")


def number(name: str, default: float) -> float:
    return _read(name, default, float, "use a number")


def choice(name: str, options: Sequence[str], default: str) -> str:
    known = {option: option for option in options}
    wanted = f"use one of {', '.join(options)}"
    return _read(name, default, lambda raw: known[raw.lower()], wanted)


def words(name: str, default: Sequence[str] = ()) -> list[str]:
    def split(raw: str) -> list[str]:
        return [word.strip() for word in raw.split(",") if word.strip()]

    return _read(name, list(default), split, "separate the values with commas")


def folders(name: str) -> dict[str, str]:
    """Paths by name, of name=/path,other=/path."""

    def split(raw: str) -> dict[str, str]:
        found = {}
        for word in filter(None, (part.strip() for part in raw.split(","))):
            label, _, path = word.partition("=")
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", label) or path[:1] != "/":
                raise ValueError(word)
            found[label] = path
        return found

    return _read(name, {}, split, "use name=/path, several separated by commas")


def http_urls(name: str) -> list[str]:
    def check(raw: str) -> list[str]:
        urls = [word.strip().rstrip("/") for word in raw.split(",") if word.strip()]
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(url)
            _ = parts.port  # raises ValueError where it is not a number
        return urls

    return _read(name, [], check, "use http://host:port, several separated by commas")


def networks(name: str, default: str = "") -> list[str]:
    """Addresses and networks as in 10.0.0.0/8, separated by commas."""

    def check(raw: str) -> list[str]:
        named = [word.strip() for word in raw.split(",") if word.strip()]
        return [str(ip_network(network)) for network in named]

    return _read(name, check(default), check, "use 10.0.0.0/8,192.168.1.5 and the like")


def database(data: Path) -> dict[str, Any]:
    """DATABASE_URL, or SQLite in the data folder, set up for several writers."""
    wanted = "use postgres://user:password@host:5432/name or sqlite:////path/to/file"
    default: dict[str, Any] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(data / "db.sqlite3"),
    }
    config = _read("DATABASE_URL", default, _parse_database, wanted)
    if config["ENGINE"].endswith("sqlite3"):
        # IMMEDIATE takes the write lock at BEGIN, so that a transaction waits its
        # turn instead of failing with "database is locked" when it first writes.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    else:
        # Django's ASGI handler runs each request on its own thread: a kept
        # connection would never be used again, it would only be held open.
        config["CONN_MAX_AGE"] = 0
        # A restarted PostgreSQL leaves dead connections in the pool.
        config["CONN_HEALTH_CHECKS"] = True
        config["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 8, "timeout": 20}}
        if boolean("LIFEOS_DB_PREPARE", True):
            # A statement that comes often is parsed once for each connection.
            prepared = {"server_side_binding": True, "prepare_threshold": 2}
            config["OPTIONS"] |= prepared
    return config


def _parse_database(raw: str) -> dict[str, Any]:
    config: dict[str, Any] = dict(environ.Env.db_url_config(raw))
    engine = str(config.get("ENGINE", ""))
    if not engine.endswith(("sqlite3", "postgresql")):
        raise ValueError(engine)
    return config


def email() -> dict[str, Any]:
    """EMAIL_URL as Django's e-mail settings; the console without it."""
    default = {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    wanted = "use smtp+tls://user:password@host:587"

    def parse(raw: str) -> dict[str, Any]:
        config: dict[str, Any] = dict(environ.Env.email_url_config(raw))
        config["EMAIL_BACKEND"]
        return {k: v for k, v in config.items() if k.startswith("EMAIL_") and v}

    return _read("EMAIL_URL", default, parse, wanted)


# Who may sign people in besides ourselves: (module of allauth, origins of its forms).
PROVIDERS = {
    "GOOGLE": ("google", "https://accounts.google.com"),
    "GITHUB": ("github", "https://github.com"),
    "GITLAB": ("gitlab", "https://gitlab.com"),
    "MICROSOFT": ("microsoft", "https://login.microsoftonline.com"),
    "DISCORD": ("discord", "https://discord.com"),
}


def social() -> tuple[list[str], dict[str, Any], list[str]]:
    """(allauth's modules, their settings, origins that forms may lead to)."""
    names: list[str] = []
    origins: list[str] = []
    found: dict[str, dict[str, Any]] = {}
    for word, (module, origin) in PROVIDERS.items():
        client = _client(f"LIFEOS_{word}")
        if client is None:
            continue
        names.append(module)
        origins.append(origin)
        found[module] = {"APPS": [client]}
        if module == "microsoft":
            found[module]["TENANT"] = text("LIFEOS_MICROSOFT_TENANT", "organizations")
    client = _client("LIFEOS_OIDC")
    if client is not None:
        issuer = http_urls("LIFEOS_OIDC_ISSUER")
        if len(issuer) != 1:
            message = "LIFEOS_OIDC_CLIENT_ID needs one LIFEOS_OIDC_ISSUER."
            raise ImproperlyConfigured(message)
        names.append("openid_connect")
        parts = urlsplit(issuer[0])
        origins.append(f"{parts.scheme}://{parts.netloc}")
        client |= {
            "provider_id": "oidc",
            "name": text("LIFEOS_OIDC_NAME", "Single sign-on"),
        }
        client["settings"] = {"server_url": issuer[0], "oauth_pkce_enabled": True}
        found["openid_connect"] = {"APPS": [client]}
        origins += words("LIFEOS_OIDC_FORM_ORIGINS")
    return names, found, origins


def _client(prefix: str) -> dict[str, Any] | None:
    """The client that we are at a provider; None where nothing is set."""
    client, secret = text(f"{prefix}_CLIENT_ID"), text(f"{prefix}_CLIENT_SECRET")
    if not client and not secret:
        return None
    if not client or not secret:
        message = f"{prefix}_CLIENT_ID and {prefix}_CLIENT_SECRET go together."
        raise ImproperlyConfigured(message)
    return {"client_id": client, "secret": secret, "key": ""}


def check_trusted_login(given: Mapping[str, Any]) -> None:
    """Half a set-up would let nobody in, or anybody."""
    kind = given["LIFEOS_TRUSTED_LOGIN"]
    if kind == "off":
        return
    if not given["TRUSTED_PROXIES"]:
        message = f"LIFEOS_TRUSTED_LOGIN={kind} needs LIFEOS_TRUSTED_PROXIES."
        raise ImproperlyConfigured(message)
    team = given["LIFEOS_CLOUDFLARE_TEAM"]
    if kind == "cloudflare" and not (team and given["LIFEOS_CLOUDFLARE_AUD"]):
        message = "LIFEOS_TRUSTED_LOGIN=cloudflare needs LIFEOS_CLOUDFLARE_TEAM and"
        raise ImproperlyConfigured(f"{message} LIFEOS_CLOUDFLARE_AUD.")
    if kind == "cloudflare" and ("/" in team or "." not in team):
        message = "LIFEOS_CLOUDFLARE_TEAM is a name like team.cloudflareaccess.com."
        raise ImproperlyConfigured(message)


def secret_file(path: Path, make: Callable[[], str]) -> str:
    """The secret kept in a file of the data folder, made at the first start."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    fresh.write_text(make())
    try:
        # link() fails if another process was first: then theirs counts.
        path.hardlink_to(fresh)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_text().strip()
