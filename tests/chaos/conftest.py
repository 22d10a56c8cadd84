"""The stage of a chaos test: the simulated provider and a gateway's config in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.stage import Server, free_port

StartProvider = Callable[[str], int]


@pytest.fixture
def start_provider(tmp_path: Path) -> Iterator[StartProvider]:
    """Start a simulated provider with a script; its port."""
    running: list[Server] = []

    def start(script: str) -> int:
        file, port = tmp_path / "provider.yaml", free_port()
        file.write_text(script)
        server = Server(["gateway", "simulate", "--script", str(file), "--listen", f"127.0.0.1:{port}"], log=tmp_path / "provider.log")
        running.append(server)
        server.wait_ready(port, "/v1/models")
        return port

    yield start
    for server in running:
        server.stop()
