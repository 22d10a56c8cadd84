"""Policy folders to write into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., Path]

ALLOW_BOTH = {
    "intent.rego": 'package gateway.intent\n\nverdict := {"outcome": "allow"}\n',
    "answer.rego": 'package gateway.answer\n\nverdict := {"outcome": "allow"}\n',
}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files into a policy folder that allows everything, ``None`` takes one away; gives the folder."""
    folder = tmp_path / "policies"

    def written(files: dict[str, str | None] | None = None) -> Path:
        for name, text in {**ALLOW_BOTH, **(files or {})}.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                file.unlink(missing_ok=True)
            else:
                file.write_text(text, encoding="utf-8")
        return folder

    return written
