"""What hinders a start is said in clear lines, with exit code 2. Serving itself is tested end to end."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import WriteConfig


def run(config: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "gateway", "run", "--config", config], env=env, capture_output=True, text=True, timeout=60, check=False)


def changed(config: Path, old: str, new: str) -> Path:
    config.write_text(config.read_text().replace(old, new))
    return config


def test_an_address_that_is_taken_is_named(write_config: WriteConfig, good_env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    for hook in ("intent", "answer"):
        verdict = 'verdict := {"outcome": "allow", "obligations": {"reveal": {}}}'
        (tmp_path / "policies" / f"{hook}.rego").write_text(f"package gateway.{hook}\n\n{verdict}\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run(changed(write_config(), "127.0.0.1:8080", address), good_env)
    assert done.returncode == 2
    assert f"server.listen: {address} is taken" in done.stderr


def test_a_policy_that_does_not_compile_is_named_with_file_and_line(write_config: WriteConfig, good_env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "intent.rego").write_text("package gateway.intent\n\nverdict := {\n")
    done = run(write_config(), good_env)
    assert done.returncode == 2
    assert "intent.rego:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("old", "new", "said"), [("target: simulated", "target: simulatd", "simulated"), ("listen:", "lisen:", "listen")])
def test_a_config_that_does_not_compile_is_refused_before_anything_starts(
    write_config: WriteConfig, good_env: dict[str, str], old: str, new: str, said: str
) -> None:
    done = run(changed(write_config(), old, new), good_env)
    assert done.returncode == 2
    assert f"did you mean {said!r}" in done.stderr
