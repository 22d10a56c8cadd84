"""Asks an HTTP server for a file that changes now and then: conditionally (ETag), within limits, once. The border to aiohttp for policy bundles.

No retries, no redirects, no proxy from the environment, and no unpacking: the body is handed on as it came, so that what it unpacks to is counted by whoever
unpacks it. The exceptions of aiohttp can quote the server, so they are neither raised nor chained.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

DOWNLOAD_S: Final = 30.0
"""For a whole download; a bundle of the largest size needs 1.1 Mbit/s then."""
CONNECT_S: Final = 5.0
MAX_ETAG_CHARS: Final = 1_024
_TYPES: Final = frozenset(
    {
        "",
        "application/gzip",
        "application/x-gzip",
        "application/x-gtar",
        "application/x-tar",
        "application/x-tgz",
        "application/x-compressed-tar",
        "application/octet-stream",
        "binary/octet-stream",
        "application/vnd.openpolicyagent.bundle",
        "application/vnd.openpolicyagent.bundles",
    }
)
"""What servers call such a file. A page for people (a login, an error with status 200) is told from it here, by its own name."""
_TRANSPORT_ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError, ValueError)


class BundleClientError(Exception):
    """The server did not give the file; ``message`` says what it did."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Fetched(NamedTuple):
    """What the server answered."""

    content: bytes | None
    """``None`` where the file has not changed since ``etag``."""
    etag: str
    """Of this content; empty where the server gives none."""


class BundleClient:
    """The connection to one server. For one event loop."""

    def __init__(self, url: str, *, token: str | None = None, max_bytes: int, download_s: float = DOWNLOAD_S) -> None:
        """Nothing is connected yet. ``token`` is sent as a bearer token, to this URL alone."""
        self._url = URL(url)
        self._max_bytes = max_bytes
        self._timeout = aiohttp.ClientTimeout(total=download_s, connect=min(CONNECT_S, download_s))
        self._headers = {"accept": "application/gzip, application/octet-stream", "accept-encoding": "identity", "cache-control": "no-cache"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, etag: str = "") -> Fetched:
        """The file, unless the server says that the one with ``etag`` is still good.

        Raises:
            BundleClientError: It could not be had, whole, within the limits.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False)
        headers = self._headers | ({"if-none-match": etag} if etag else {})
        try:
            async with self._session.get(self._url, headers=headers, allow_redirects=False) as answer:
                return await self._read(answer, etag)
        except TimeoutError:
            raise BundleClientError("the server took too long") from None
        except aiohttp.ClientPayloadError:
            raise BundleClientError("the server cut its answer short") from None
        except _TRANSPORT_ERRORS as error:
            raise BundleClientError(f"the server cannot be reached: {type(error).__name__}") from None

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _read(self, answer: aiohttp.ClientResponse, etag: str) -> Fetched:
        if answer.status == 304 and etag:
            return Fetched(None, etag)
        if answer.status != 200:
            raise BundleClientError(f"the server answered {answer.status}")
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _TYPES:
            raise BundleClientError("the server answered with something else than an archive, by its content type")
        content = bytearray()
        async for chunk in answer.content.iter_any():
            content += chunk
            if len(content) > self._max_bytes:
                raise BundleClientError(f"the server's answer is larger than {self._max_bytes} bytes")
        found = answer.headers.get("etag", "")
        return Fetched(bytes(content), found if len(found) <= MAX_ETAG_CHARS and found.isprintable() else "")
