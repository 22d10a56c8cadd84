"""The border to the ``opa`` command: finds it, gives it files to work on, and ends it when it takes too long."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class OpaCommandError(Exception):
    """``opa`` is not there or could not do what it was asked; the message is for the author who runs a command."""


class Said(NamedTuple):
    """What a run of ``opa`` came to."""

    status: int
    out: str
    err: str


def find_opa() -> str:
    """The path of the command: that of ``OPA_BIN``, else the one on ``PATH``.

    Raises:
        OpaCommandError: There is none.
    """
    named = os.environ.get("OPA_BIN")
    found = shutil.which(named or "opa")
    if found is None:
        where = f"OPA_BIN names {named}, which cannot be run" if named else "there is no opa on PATH"
        raise OpaCommandError(f"{where}: install OPA or set OPA_BIN to its path")
    return found


def run_opa(arguments: Sequence[str], files: Mapping[str, str], *, limit_s: float) -> Said:
    """Run ``opa`` in an empty folder with ``files`` (text by relative name) in it; names in what it says are relative to that folder.

    Raises:
        OpaCommandError: There is no ``opa``, or it took longer than ``limit_s`` seconds.
    """
    opa = find_opa()
    with tempfile.TemporaryDirectory(prefix="gateway-opa-") as folder:
        for name, text in files.items():
            file = Path(folder, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode())
        try:
            done = subprocess.run(  # noqa: S603 - the author's own command, with arguments of ours
                [opa, *arguments], cwd=folder, capture_output=True, timeout=limit_s, check=False, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            raise OpaCommandError(f"opa {arguments[0]} took longer than {limit_s:g} s: make the rules or tests cheaper") from None
    return Said(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
