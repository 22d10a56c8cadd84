"""The ``opa`` command: found, given files, ended in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.infrastructure.opa_command import OpaCommandError, find_opa, run_opa


def fake_opa(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command = folder / "opa"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("OPA_BIN", str(command))


def test_opa_bin_is_preferred_to_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_opa(tmp_path, "exit 0", monkeypatch)
    monkeypatch.setenv("PATH", "")
    assert find_opa() == str(tmp_path / "opa")
    monkeypatch.delenv("OPA_BIN")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_opa() == str(tmp_path / "opa")


@pytest.mark.parametrize(("named", "said"), [(None, "there is no opa on PATH"), ("/no/such/opa", "OPA_BIN names /no/such/opa, which cannot be run")])
def test_without_one_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str | None, said: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("OPA_BIN", raising=False)
    if named:
        monkeypatch.setenv("OPA_BIN", named)
    with pytest.raises(OpaCommandError, match=said):
        find_opa()


def test_it_runs_where_its_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_opa(tmp_path, 'cat "$1" sub/b.rego; echo wrong >&2; exit 3', monkeypatch)
    said = run_opa(["a.rego"], {"a.rego": "one ", "sub/b.rego": "zwei ü"}, limit_s=20)
    assert said == (3, "one zwei ü", "wrong\n")


def test_it_is_ended_when_it_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_opa(tmp_path, "exec sleep 60", monkeypatch)
    with pytest.raises(OpaCommandError, match=r"opa test took longer than 0\.2 s"):
        run_opa(["test"], {}, limit_s=0.2)
