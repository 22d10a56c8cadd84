"""Asks a running gateway over HTTP, for commands: one request at a time, no redirects, no proxy from the environment, no retries."""

from __future__ import annotations

import http.client
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import orjson

from gateway.domain import Json

TIMEOUT_S: Final = 30.0
_MAX_BYTES: Final = 64 << 20
"""More than any answer of a gateway is worth reading."""
_NOT_A_GATEWAY: Final = "what answers there is no gateway"


class GatewayCallError(Exception):
    """The gateway did not do what was asked, or could not be asked. The message is its own where it gave one."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        """``status`` is the gateway's HTTP status, ``None`` where it gave no answer."""
        super().__init__(message)
        self.status = status


class GatewayClient:
    """A gateway at ``url``, asked with one key."""

    def __init__(self, url: str, key: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """``url`` is ``http(s)://HOST[:PORT][/PREFIX]``.

        Raises:
            ValueError: It is not, or the key is none that a header can have.
        """
        parts = urlsplit(url)
        if parts.scheme not in _CONNECTIONS or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ValueError("is no URL such as http://127.0.0.1:8080 (http or https, no user, query or fragment)")
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ValueError("has a key that is none: keys are letters, digits and underscores")
        self._make = _CONNECTIONS[parts.scheme]
        self._host, self._port = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._place = f"{parts.scheme}://{parts.netloc}"
        self._key = key
        self._timeout_s = timeout_s

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """The JSON object that the gateway answers. ``path`` is escaped already, with its query.

        Raises:
            GatewayCallError: It answered an error, or something else, or nothing.
        """
        headers = {"authorization": f"Bearer {self._key}", "accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        connection = self._make(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request(method, self._prefix + path, None if body is None else orjson.dumps(body), headers)
            response = connection.getresponse()
            status, raw = response.status, response.read(_MAX_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise GatewayCallError(f"the gateway at {self._place} cannot be asked: {_why(error)}") from None
        finally:
            connection.close()
        return self._answer(status, raw)

    def _answer(self, status: int, raw: bytes) -> Json:
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError:
            value = None
        if isinstance(value, dict) and status == http.client.OK:
            return value
        error = value.get("error") if isinstance(value, dict) else None
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            where = f" ({error['param']})" if isinstance(error.get("param"), str) else ""
            raise GatewayCallError(error["message"] + where, status=status)
        raise GatewayCallError(f"{self._place} answered {status}: {_NOT_A_GATEWAY}", status=status)


def _why(error: Exception) -> str:
    return "it did not answer in time" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or type(error).__name__


_CONNECTIONS: Final = MappingProxyType({"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection})
