"""Secrets at rest: encrypted with keys that the database does not hold."""

from __future__ import annotations

import base64
import json
import logging
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models

log = logging.getLogger(__name__)

# Before the cipher text: tells it from JSON that was stored before encryption.
PREFIX = "enc:"


def _fernet(secret: str) -> Fernet:
    """A key from a text of any length; the text has to be hard to guess."""
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"lifeos secrets")
    return Fernet(base64.urlsafe_b64encode(kdf.derive(secret.encode())))


@lru_cache(maxsize=8)
def _keys(secrets: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([_fernet(secret) for secret in secrets])


def keys() -> MultiFernet:
    """The first of LIFEOS_SECRETS_KEY encrypts, all of them decrypt.

    SECRET_KEY is the last of them, so that setting LIFEOS_SECRETS_KEY later locks
    nothing out.
    """
    own: list[str] = settings.LIFEOS_SECRETS_KEYS
    return _keys((*own, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


def encrypt(text: str) -> str:
    return PREFIX + keys().encrypt(text.encode()).decode()


def decrypt(stored: str) -> str:
    """Raises InvalidToken when none of the keys fits."""
    return keys().decrypt(stored.removeprefix(PREFIX).encode()).decode()


class EncryptedJSONField(models.TextField):  # type: ignore[type-arg]
    """JSON that is stored encrypted. It can't be searched, and is never shown."""

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        if not value:
            return None if value is None else {}
        if not value.startswith(PREFIX):
            return json.loads(value)
        try:
            return json.loads(decrypt(value))
        except InvalidToken:
            # Without it the server answers 401, which the page shows; a page that
            # can't be opened would be worse.
            log.error("a stored secret can't be decrypted: the key has changed")
            return {}

    def to_python(self, value: Any) -> Any:
        """Also what `value_to_string` wrote."""
        if isinstance(value, str) and value.startswith(PREFIX):
            return self.from_db_value(value)
        return value

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else encrypt(json.dumps(value))

    def value_to_string(self, obj: models.Model) -> str:
        """For dumpdata: as it is stored, never in clear."""
        return self.get_prep_value(self.value_from_object(obj)) or ""
