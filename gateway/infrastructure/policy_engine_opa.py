"""The border to an OPA server: the one importer of ``opa_client``, which is loaded only where the config asks for such a server.

The client is used for its requests alone. Switched off, or put right, is what does not belong between a gateway and its policy: retries, redirects (they
would carry an input elsewhere), cookies, compression, answers without bound, and answers of another status than 200. Proxies of the environment are
ignored by aiohttp unless asked for. Whatever happens leaves this file as an ``EngineError`` that quotes neither an input nor an answer.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from gateway.infrastructure.policy_engine_embedded import UNDEFINED, EngineError

CONNECTIONS: Final = 64
"""Open at once. OPA answers in half a millisecond: more would only wait for its processors."""
MAX_CHARS: Final = 65_536
"""The longest value of a rule, as JSON."""
_BYTES_PER_CHAR: Final = 6
"""At most, in JSON: ``\\u0000``."""
_ENVELOPE_BYTES: Final = 16_384
"""What an answer may have besides the value: the revisions of OPA's bundles."""
_ASKED: Final = {"strict-builtin-errors": "true", "provenance": "true"}
"""An error of a built-in function is one, as in the embedded engine; and the answer names the revision of the bundle that it was made by."""
_FILE: Final = re.compile(r"[\w./ -]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaOptions:
    """Where an OPA server is, and how it is asked."""

    url: str
    """``http://HOST:PORT`` or ``https://``; no path."""
    token: str | None = None
    """Bearer token, where the server wants one (``opa run --authentication=token``)."""
    timeout_s: float = 0.5
    """For one decision, from the wait for a connection to the last byte."""


class OpaAnswer(NamedTuple):
    """What OPA said."""

    value: Any
    """``UNDEFINED`` where the rule has no value."""
    revisions: frozenset[str]
    """Of its bundles, in the very transaction in which it decided."""


class OpaServer:
    """One OPA server. ``start``, then ``ask``, then ``close``, all in one event loop."""

    def __init__(self, options: OpaOptions) -> None:
        """Nothing is imported or connected yet."""
        self._options = options
        self._client: Any = None
        self._open = AsyncExitStack()

    async def start(self) -> None:
        """Load the client, and open its (still empty) pool of connections."""
        # Loaded here and not above, in a thread: a gateway that decides by itself never pays for it.
        library = await asyncio.to_thread(importlib.import_module, "opa_client")
        parts = urlsplit(self._options.url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        client = library.AsyncOpaClient(
            host=f"[{host}]" if ":" in host else host,
            port=parts.port or (443 if secure else 80),
            ssl=secure,
            token=self._options.token,
            retries=0,
            timeout=self._options.timeout_s,
        )
        client._init_session = partial(self._open_session, client)  # noqa: SLF001 - its own takes cookies, any answer, and reads certificates in the loop
        client._request = partial(client._request, allow_redirects=False)  # noqa: SLF001 - it has no option for this
        self._client = await self._open.enter_async_context(client)

    async def close(self) -> None:
        """Close the connections."""
        self._client = None
        await self._open.aclose()

    async def ask(self, rule: str, document: str) -> OpaAnswer:
        """The value of a rule such as ``data.gateway.intent.verdict`` for the input ``document`` (JSON).

        Raises:
            EngineError: ``timeout``; ``unavailable`` (nobody answers, or not as OPA does); ``size`` (a value longer than ``MAX_CHARS``); ``error`` (the
                evaluation failed, with file and line where OPA says them).
        """
        if self._client is None:
            raise EngineError("unavailable", "the OPA server is not in use")
        path = rule.removeprefix("data.")
        try:
            answer = await self._client.query_rule(document, path, query_params=_ASKED)
            return OpaAnswer(answer.get("result", UNDEFINED), _revisions(answer.get("provenance")))
        except EngineError:
            raise
        except TimeoutError:
            raise EngineError("timeout", f"no answer within {self._options.timeout_s:g} s") from None
        except Exception as error:  # noqa: BLE001 - whatever the client raises is that nobody there can be asked
            raise EngineError("unavailable", f"the call failed: {type(error).__name__}") from None

    async def _open_session(self, client: Any) -> None:
        client._session = aiohttp.ClientSession(  # noqa: SLF001 - in place of its own, see start
            headers={**(client.headers or {}), "Accept-Encoding": "identity"},
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=client.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            json_serialize=_with_input,
            response_class=_Response,
        )


class _Response(aiohttp.ClientResponse):
    """An answer that is read as far as one may be long, and judged with its body: OPA's errors say there what happened."""

    def raise_for_status(self) -> None:
        """Leave it to ``json``."""

    async def json(self, **_: Any) -> Any:
        """The answer of a success.

        Raises:
            EngineError: It is none.
        """
        body = bytearray()
        async for part in self.content.iter_any():
            body += part
            if len(body) > MAX_CHARS * _BYTES_PER_CHAR + _ENVELOPE_BYTES:
                self.close()
                raise _too_long()
        answer = _decoded(bytes(body))
        if self.status != 200 or not isinstance(answer, dict):
            raise _fault(self.status, answer)
        if len(body) > MAX_CHARS and len(json.dumps(answer.get("result"), ensure_ascii=False)) > MAX_CHARS:
            raise _too_long()
        return answer


def _with_input(body: dict[str, str]) -> str:
    """The input is JSON already: it is not parsed and written a second time."""
    return f'{{"input":{body["input"]}}}'


def _too_long() -> EngineError:
    return EngineError("size", f"the value is longer than {MAX_CHARS} characters")


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _revisions(provenance: Any) -> frozenset[str]:
    """``{"bundles": {NAME: {"revision": TEXT}}}``; a server without bundles says none."""
    bundles = provenance.get("bundles") if isinstance(provenance, dict) else None
    found = [bundle.get("revision") for bundle in bundles.values() if isinstance(bundle, dict)] if isinstance(bundles, dict) else []
    return frozenset(revision for revision in found if isinstance(revision, str) and revision)


def _fault(status: int, answer: Any) -> EngineError:
    """OPA says 500 and ``internal_error`` where the policy failed on this input; anything else is not an OPA that could be asked."""
    errors = answer.get("errors") if isinstance(answer, dict) and status == 500 and answer.get("code") == "internal_error" else None
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict) or not str(first.get("code")).startswith("eval_"):
        return EngineError("unavailable", f"no answer of an OPA server that may be asked: status {status}")
    place = first.get("location")
    file, line = (place.get("file"), place.get("row")) if isinstance(place, dict) else (None, None)
    if isinstance(file, str) and _FILE.fullmatch(file) and type(line) is int:
        return EngineError("error", "the evaluation failed", file=file, line=line)
    return EngineError("error", "the evaluation failed")
