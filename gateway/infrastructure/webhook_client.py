"""Posts messages to webhooks. The border to aiohttp for them: one try, no redirects, no proxy from the environment, no cookies, and no answer is read.

The exceptions of aiohttp can quote the server, so they are neither raised nor chained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

POST_S: Final = 10.0
"""For one message, from the look-up of the host's name to the head of the answer."""
_CONNECT_S: Final = 5.0
_CONNECTIONS: Final = 64
_TRANSPORT_ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError, ValueError)


class WebhookError(Exception):
    """The server has not said that it has the message. ``reason`` is ``timeout``, ``unreachable`` or ``rejected``; ``message`` says what it did."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class WebhookClient:
    """The connections to all webhooks. For one event loop."""

    def __init__(self, *, post_s: float = POST_S) -> None:
        """Nothing is connected yet."""
        self._timeout = aiohttp.ClientTimeout(total=post_s, connect=min(_CONNECT_S, post_s))
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send ``body`` as JSON; a status from 200 to 299 takes it. What the answer says is never read, however long it is.

        Raises:
            WebhookError: The server has not said that it has it.
        """
        if self._session is None:
            # A connection of its own for each message: one kept from an hour ago may be gone, which a POST would find out by failing.
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, limit_per_host=_CONNECTIONS // 4, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
            )
        try:
            sent = {**headers, "content-type": "application/json"}
            async with self._session.post(URL(url), data=body, headers=sent, allow_redirects=False) as answer:
                status = answer.status
                answer.close()  # whatever else it says
        except TimeoutError:
            raise WebhookError("timeout", "the server took too long") from None
        except _TRANSPORT_ERRORS as error:
            raise WebhookError("unreachable", f"the server cannot be reached: {type(error).__name__}") from None
        if not 200 <= status < 300:
            raise WebhookError("rejected", f"the server answered {status}")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
