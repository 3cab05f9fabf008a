"""The way to a Redis: connections, scripts, keys and failures. It must not know what a draft is."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import OutOfMemoryError, RedisError

from server.errors import StoreUnavailable

# Tried four times in about half a second where Redis is gone; where it is mute, each try takes 2 s.
_RETRIES = 3
_ANSWER_S = 2.0


class Link:
    """Connections to ``url``, whose answers may take ``wait_s`` longer than usual.

    ``client`` is untyped: redis-py 8 types an answer as all that any protocol and decoding gives.
    """

    def __init__(self, url: str, *, prefix: str, wait_s: float = 0.0) -> None:
        self._prefix = prefix
        self.client: Any = Redis.from_url(
            url,
            socket_timeout=_ANSWER_S + wait_s,
            socket_connect_timeout=_ANSWER_S,
            retry=Retry(ExponentialBackoff(base=0.05, cap=1.0), _RETRIES),
        )
        self._scripts: dict[str, Any] = {}

    async def close(self) -> None:
        """Never raises."""
        with suppress(RedisError, OSError):
            await self.client.aclose()

    def key(self, name: str) -> str:
        return self._prefix + name

    async def run(self, script: str, *args: Any) -> Any:
        """What a script answers; Redis learns it once. Raises ``StoreUnavailable``."""
        if script not in self._scripts:
            self._scripts[script] = self.client.register_script(script)
        with told():
            return await self._scripts[script](keys=[self._prefix], args=args)


@contextmanager
def told() -> Iterator[None]:
    """Raises ``StoreUnavailable`` for what Redis or the way to it raises."""
    try:
        yield
    except RedisError as error:
        # MISCONF: Redis takes no writes because its disk does not.
        full = isinstance(error, OutOfMemoryError) or str(error).startswith(("OOM", "MISCONF"))
        why = "the Redis of the drafts is full" if full else "the Redis of the drafts is away"
        raise StoreUnavailable(why, code="store_full" if full else None) from error
