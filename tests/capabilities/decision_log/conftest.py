"""Policy folders to write into, and a server for logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.testing import ALLOW_ALL
from tests.capabilities.decision_log.log_server import LogServer, log_server


@pytest.fixture
def receiver() -> Iterator[LogServer]:
    """A server that takes logs."""
    with log_server() as server:
        yield server


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes files into a policy folder that allows everything, ``None`` takes one away; gives the folder."""
    folder = tmp_path / "policies"

    def written(files: dict[str, str | None]) -> Path:
        folder.mkdir(exist_ok=True)
        for name, text in {**ALLOW_ALL, **files}.items():
            if text is None:
                (folder / name).unlink(missing_ok=True)
            else:
                (folder / name).write_text(text, encoding="utf-8")
        return folder

    return written
