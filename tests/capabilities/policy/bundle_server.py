"""A real server of bundles on loopback, which can fail in the ways that servers do."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web


@dataclass
class BundleServer:
    """Serves ``content`` with its ETag; what stands in the other fields is how it fails."""

    content: bytes = b""
    status: int = 200
    kind: str = "application/gzip"
    etags: bool = True
    delay_s: float = 0.0
    cut: bool = False
    """Announce the whole and send half of it."""
    endless: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    """The headers of the questions so far, their names in small letters."""
    answered: list[int] = field(default_factory=list)
    url: str = ""
    port: int = 0
    """The one that it had, when it comes back."""

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/bundle.tar.gz", self._bundle)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}/bundle.tar.gz"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._runner.cleanup()

    async def _bundle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append({name.lower(): value for name, value in request.headers.items()})
        await asyncio.sleep(self.delay_s)
        etag = f'"{hashlib.sha256(self.content).hexdigest()[:16]}"'
        headers = {"Content-Type": self.kind, **({"ETag": etag} if self.etags else {}), **self.headers}
        if self.status == 200 and self.etags and request.headers.get("if-none-match") == etag:
            self.answered.append(304)
            return web.Response(status=304, headers={"ETag": etag})
        self.answered.append(self.status)
        if not (self.cut or self.endless):
            return web.Response(body=self.content, status=self.status, headers=headers)
        answer = web.StreamResponse(headers=headers)
        if self.cut:
            answer.content_length = len(self.content)
        await answer.prepare(request)
        await answer.write(self.content[: len(self.content) // 2])
        while self.endless:
            await answer.write(b"\0" * 65_536)
        if request.transport is not None:
            request.transport.close()
        return answer
