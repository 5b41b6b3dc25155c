"""daphne, without TLS: that is a proxy's work, and 3 MB in every process.

Imported before anything else of Twisted: it chooses the asyncio reactor.
"""

from __future__ import annotations

from lifeos.lean import without

with without("OpenSSL"):
    from daphne.endpoints import build_endpoint_description_strings
    from daphne.http_protocol import WebRequest
    from daphne.server import Server, twisted_loop

__all__ = [
    "Server",
    "WebRequest",
    "build_endpoint_description_strings",
    "twisted_loop",
]
