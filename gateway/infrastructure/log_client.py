"""Posts decision logs to an HTTP server, as OPA does. The border to aiohttp for them: no retries, no redirects, no proxy from the environment.

The exceptions of aiohttp can quote the server, so they are neither raised nor chained.
"""

from __future__ import annotations

from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

POST_S: Final = 15.0
"""For one batch, until the server has said that it has it."""
_CONNECT_S: Final = 5.0
_TOO_LARGE: Final = 413
_TRANSPORT_ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError, ValueError)


class LogClientError(Exception):
    """The server did not take the batch. ``reason`` is ``timeout``, ``unreachable``, ``rejected`` or ``too_large``; ``message`` says what it did."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class LogClient:
    """The connection to one server. For one event loop."""

    def __init__(self, url: str, *, token: str | None = None, post_s: float = POST_S) -> None:
        """Nothing is connected yet. ``token`` is sent as a bearer token, to this URL alone."""
        self._url = URL(url)
        self._timeout = aiohttp.ClientTimeout(total=post_s, connect=min(_CONNECT_S, post_s))
        self._headers = {"content-type": "application/json", "content-encoding": "gzip"} | ({"authorization": f"Bearer {token}"} if token else {})
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: bytes) -> None:
        """Send a compressed JSON array.

        Raises:
            LogClientError: The server has not said that it has it.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        try:
            async with self._session.post(self._url, data=body, headers=self._headers, allow_redirects=False) as answer:
                status = answer.status
        except TimeoutError:
            raise LogClientError("timeout", "the server took too long") from None
        except _TRANSPORT_ERRORS as error:
            raise LogClientError("unreachable", f"the server cannot be reached: {type(error).__name__}") from None
        if status == _TOO_LARGE:
            raise LogClientError("too_large", "the batch is too large for the server")
        if not 200 <= status < 300:
            raise LogClientError("rejected", f"the server answered {status}")

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None
