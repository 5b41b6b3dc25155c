"""Calls to addresses that people typed: never into our own network.

The name is resolved once, every address it has is checked, and the connection goes to
an address that was checked: a name server that answers otherwise a moment later gains
nothing. Host and TLS name stay those of the URL. Redirects are not followed, and no
proxy of the environment is used, which would connect for us.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpcore
import httpx
from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
LONGEST_URL = 500
CONNECT, TOTAL = 5.0, 15.0
# The only IPv6 addresses that lead to the internet, without those in it that wrap an
# IPv4 address (6to4, Teredo) and would lead to it by a detour.
V6_PUBLIC = ipaddress.ip_network("2000::/3")
V6_WRAPPED = [ipaddress.ip_network(net) for net in ("2002::/16", "2001::/32")]
# Special by IANA's list, which older versions of Python know only in part.
V4_SPECIAL = [ipaddress.ip_network(n) for n in ("192.0.0.0/24", "192.88.99.0/24")]
# One sentence for "does not exist" and "is private": it tells nothing of our network.
NOT_PUBLIC = "This name leads to no public address."


class Refused(Exception):
    """This address is not called; the text says why."""


class Unreachable(Exception):
    """It was called and did not answer as it should; the text says why."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be called although it is not public: LIFEOS_WEBHOOK_ALLOW."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    @staticmethod
    def of(words: Iterable[str]) -> Allowed:
        networks, hosts = [], set()
        for word in words:
            try:
                networks.append(ipaddress.ip_network(word, strict=False))
            except ValueError:
                hosts.add(word.lower().rstrip("."))
        return Allowed(tuple(networks), frozenset(hosts))

    def lets(self, host: str, address: Address) -> bool:
        if host.lower().rstrip(".") in self.hosts or is_public(address):
            return True
        plain = unwrapped(address)
        return any(
            plain in net for net in self.networks if net.version == plain.version
        )


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for on this machine, if it does."""
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def is_public(address: Address) -> bool:
    """Whether it is somebody's on the internet: not private, loopback, link-local,
    shared by a provider (CGNAT), multicast, reserved or documentation.
    """
    plain = unwrapped(address)
    if not plain.is_global or plain.is_multicast or plain.is_reserved:
        return False
    if isinstance(plain, ipaddress.IPv6Address):
        wrapped = any(plain in net for net in V6_WRAPPED)
        return plain in V6_PUBLIC and not wrapped
    return not any(plain in net for net in V4_SPECIAL)


def check_url(url: str) -> None:
    """What can be said without a look-up. Raises Refused."""
    parts = _parts(url)
    host = parts.hostname or ""
    allowed = Allowed.of(settings.LIFEOS_WEBHOOK_ALLOW)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        local = host == "localhost" or host.endswith((".localhost", ".local"))
        if local and host not in allowed.hosts:
            raise Refused(NOT_PUBLIC) from None
        return
    if not allowed.lets(host, address):
        raise Refused(NOT_PUBLIC)


def _parts(url: str) -> SplitResult:
    plain = url.isprintable() and " " not in url and "\\" not in url
    if not url or len(url) > LONGEST_URL or not plain:
        raise Refused(f"Write an address of at most {LONGEST_URL} characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as exc:
        raise Refused("This is not an address.") from exc
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise Refused("Write an address that begins with https:// or http://.")
    if "@" in parts.netloc:
        raise Refused("Leave user name and password out of the address.")
    return parts


async def lookup(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, as the system resolves it."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


async def checked_address(host: str, port: int, allowed: Allowed) -> str:
    """An address of this host that may be called. Raises Refused if any may not."""
    try:
        found = await lookup(host, port)
    except (OSError, UnicodeError) as exc:
        raise Refused(NOT_PUBLIC) from exc
    for text in found:
        # A zone, as in fe80::1%eth0, is of a link: not public either way.
        if not allowed.lets(host, ipaddress.ip_address(text.partition("%")[0])):
            raise Refused(NOT_PUBLIC)
    if not found:
        raise Refused(NOT_PUBLIC)
    return found[0]


class _Checked(httpcore.AsyncNetworkBackend):
    """Connects to what was checked, and to nothing else."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        address = await checked_address(host, port, self._allowed)
        return await self._plain.connect_tcp(
            address, port, timeout, local_address, socket_options
        )

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        raise Refused("This is not an address.")

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)


def client(trust: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """A client that can reach public addresses only, and those that are allowed."""
    allowed = Allowed.of(settings.LIFEOS_WEBHOOK_ALLOW)
    transport = httpx.AsyncHTTPTransport(verify=trust or True, trust_env=False)
    # httpx has no argument for it; the pool is made anew as httpx makes it.
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=trust or ssl.create_default_context(),
        max_connections=100,
        max_keepalive_connections=0,
        network_backend=_Checked(allowed),
    )
    return httpx.AsyncClient(
        transport=transport,
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(TOTAL, connect=CONNECT),
    )


async def post(
    caller: httpx.AsyncClient, url: str, content: bytes, headers: Mapping[str, str]
) -> int:
    """The answer's status; its body is not read. Raises Refused and Unreachable."""
    check_url(url)
    try:
        # Also against an answer that comes a byte at a time.
        async with asyncio.timeout(TOTAL):
            request = caller.build_request(
                "POST", url, content=content, headers=dict(headers)
            )
            response = await caller.send(request, stream=True)
            await response.aclose()
    except (TimeoutError, httpx.TimeoutException) as exc:
        raise Unreachable("It did not answer in time.") from exc
    except httpx.ConnectError as exc:
        raise Unreachable("It could not be reached.") from exc
    except httpx.HTTPError as exc:
        raise Unreachable("It broke the connection off.") from exc
    except (httpx.InvalidURL, UnicodeError) as exc:
        raise Refused("This is not an address.") from exc
    return response.status_code
