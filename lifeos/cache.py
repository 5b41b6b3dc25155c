"""The cache scaled out: Redis, and nothing worse than a miss while it is away."""

from __future__ import annotations

import logging
from typing import Any

import redis
from django.core.cache.backends.redis import RedisCache, RedisCacheClient

log = logging.getLogger(__name__)
AWAY = (redis.ConnectionError, redis.TimeoutError)


class ForgivingClient(RedisCacheClient):
    """Django's Redis client. Nothing in the cache is the truth: losing it stops nobody.

    While Redis is away `add` says yes: whoever uses it as a guard may then do the
    work twice, which all of our guarded work allows.
    """

    def add(self, key: Any, value: Any, timeout: Any) -> bool:
        try:
            return bool(super().add(key, value, timeout))
        except AWAY as exc:
            log.warning("the cache does not answer: %s", exc)
            return True

    def get(self, key: Any, default: Any) -> Any:
        try:
            return super().get(key, default)
        except AWAY as exc:
            log.warning("the cache does not answer: %s", exc)
            return default

    def set(self, key: Any, value: Any, timeout: Any) -> None:
        try:
            super().set(key, value, timeout)
        except AWAY as exc:
            log.warning("the cache does not answer: %s", exc)

    def delete(self, key: Any) -> bool:
        try:
            return bool(super().delete(key))
        except AWAY as exc:
            log.warning("the cache does not answer: %s", exc)
            return False

    def incr(self, key: Any, delta: int) -> Any:
        try:
            return super().incr(key, delta)
        except AWAY as exc:
            log.warning("the cache does not answer: %s", exc)
            return delta


class ForgivingRedisCache(RedisCache):
    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = ForgivingClient
