from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.__main__ import COMMANDS, cli


def gateway(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "gateway", *words], capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: cli {name}")


def test_help_lists_every_command_without_loading_one() -> None:
    code = "import sys; from gateway.__main__ import cli; cli(['--help'], standalone_mode=False); print([m for m in sys.modules if 'surfaces' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    assert [name for name in COMMANDS if name not in done.stdout] == []


def test_an_unknown_command_is_refused() -> None:
    done = gateway("nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'nothing'" in done.stderr


def test_a_config_that_cannot_be_used_is_one_clear_line_and_exit_code_2(tmp_path: Path) -> None:
    done = gateway("run", "--config", str(tmp_path / "none.yaml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{tmp_path}/none.yaml:1: no such file (name the config with --config PATH)\n"


def test_the_version_is_that_of_the_package() -> None:
    assert gateway("--version").stdout == "gateway, version 0.1.0\n"
