"""Where events go: a file of JSON lines, or a server that takes OPA's logs."""

from __future__ import annotations

import asyncio
import gzip
import os
from pathlib import Path
from typing import Any, Protocol

import orjson

from gateway.domain import Json
from gateway.infrastructure.log_client import LogClient, LogClientError

TOO_LARGE = "too_large"


class Delivery(Protocol):
    """Takes events, in order."""

    async def deliver(self, events: list[Json]) -> int:
        """Hand them over; when this returns the receiver has them. How many lost their input and result because they were too large for it.

        Raises:
            LogClientError, OSError: Nobody knows whether it has them: hand all of them over again.
        """

    async def close(self) -> None:
        """Let go of what was opened."""


class FileDelivery:
    """Appends lines to a file, which is opened for each batch: whoever rotates it just renames it."""

    def __init__(self, path: Path) -> None:
        """``path`` and its folder are made when there is something to write."""
        self._path = path

    async def deliver(self, events: list[Json]) -> int:
        """As ``Delivery``: durable when this returns."""
        await asyncio.to_thread(self._append, b"".join(orjson.dumps(event) + b"\n" for event in events))
        return 0

    async def close(self) -> None:
        """Nothing is open."""

    def _append(self, lines: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        with self._path.open("a+b", buffering=0) as file:
            if file.seek(0, os.SEEK_END) and not _ends_well(file):
                lines = b"\n" + lines  # a line that was cut by the end of a process stays a line of its own
            view = memoryview(lines)
            while view:
                view = view[file.write(view) or 0 :]
            os.fsync(file.fileno())


def _ends_well(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


class ServerDelivery:
    """Posts JSON arrays, compressed, as OPA does. What is too large for the server is sent in halves, and at last without input and result."""

    def __init__(self, client: LogClient) -> None:
        self._client = client

    async def deliver(self, events: list[Json]) -> int:
        """As ``Delivery``."""
        try:
            await self._client.post(await asyncio.to_thread(_packed, events))
        except LogClientError as error:
            if error.reason != TOO_LARGE:
                raise
        else:
            return 0
        if len(events) > 1:
            half = len(events) // 2
            return await self.deliver(events[:half]) + await self.deliver(events[half:])
        bare = {name: value for name, value in events[0].items() if name not in {"input", "result"}}
        if bare == events[0]:
            raise LogClientError("rejected", "the server takes not even the smallest event")
        bare["erased"] = [f"/{part}" for part in ("input", "result") if part in events[0]]
        return 1 + await self.deliver([bare])

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()


def _packed(events: list[Json]) -> bytes:
    return gzip.compress(orjson.dumps(events), compresslevel=3, mtime=0)
