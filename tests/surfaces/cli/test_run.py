"""``gateway run``: serves until it is told to stop, and says in one line why it cannot."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from gateway.surfaces.cli.run import command
from gateway.testing import ALLOW_ALL, ENV, config_text
from tests.stage import ROOT, Server, free_port


def config(folder: Path, port: int) -> Path:
    policies = folder / "policies"
    policies.mkdir()
    for name, text in ALLOW_ALL.items():
        (policies / name).write_text(text)
    text = config_text("http://127.0.0.1:9/v1", policies, telemetry="{logs: {format: json, level: info}}")
    (folder / "config.yaml").write_text(f"server: {{listen: '127.0.0.1:{port}'}}\n{text}")
    return folder / "config.yaml"


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    port = free_port()
    server = Server(["gateway", "run", "--config", str(config(tmp_path, port))], log=tmp_path / "log", env=ENV)
    try:
        server.wait_ready(port)
    finally:
        code = server.stop(signal.SIGTERM)
    assert code in {0, -signal.SIGTERM}  # once all is closed, uvicorn ends by the signal that it was sent
    assert '"event":"server.ready"' in server.output().replace(" ", "")


def test_a_config_that_is_not_there_is_one_line_and_status_2(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "gateway", "run", "--config", str(tmp_path / "none.yaml")], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert (ran.returncode, len(ran.stderr.strip().splitlines())) == (2, 1)
    assert "none.yaml" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_command_has_help() -> None:
    assert "Serve the gateway" in CliRunner().invoke(command, ["--help"]).output
