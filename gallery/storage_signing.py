"""Addresses of a bucket's files that work for a while, for whoever has them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

# An address stays the same for this long and works for twice as long.
SIGNED_FOR = 3600


def signed(
    address: str,
    wanted: Mapping[str, str],
    keys: tuple[str, str],
    region: str,
    at: float,
) -> str:
    """The address with what is `wanted` of the answer, and a signature by the keys.

    The same for all who ask within an hour; `at` is in seconds since 1970.
    """
    signer = _RoundedAuth(Credentials(*keys), region, at - at % SIGNED_FOR)
    query = urlencode(wanted, quote_via=quote)
    request = AWSRequest("GET", f"{address}?{query}")
    signer.add_auth(request)
    return str(request.url)


class _RoundedAuth(S3SigV4QueryAuth):  # type: ignore[misc]
    """Signs as if it were `at` (seconds since 1970); valid for two hours from then."""

    def __init__(self, credentials: Credentials, region: str, at: float) -> None:
        super().__init__(credentials, "s3", region, expires=2 * SIGNED_FOR)
        self._at = datetime.fromtimestamp(at, UTC).strftime(SIGV4_TIMESTAMP)

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._at
        super()._modify_request_before_signing(request)
