"""What a real OPA logs."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.capabilities.decision_log.log_server import log_server
from tests.servers.opa_server import opa_binary


def logged(folder: Path, files: Mapping[str, str], inputs: Sequence[Any]) -> list[dict[str, Any]]:
    """The events of ``data.gateway.intent.verdict`` for these inputs, in their order."""
    binary = opa_binary()
    paths = [folder / name for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with log_server() as server:
        sets = [f"services.l.url=http://127.0.0.1:{server.port}", "decision_logs.service=l"]
        sets += [f"decision_logs.reporting.{which}_delay_seconds=1" for which in ("min", "max")]
        command = [binary, "run", "--server", "--disable-telemetry", "--log-level", "error", "--addr", address]
        command += [part for each in sets for part in ("--set", each)]
        with subprocess.Popen([*command, *map(str, paths)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                for value in inputs:
                    _ask(f"http://{address}/v1/data/gateway/intent/verdict", json.dumps({"input": value}).encode())
                _until(lambda: len(server.events) >= len(inputs))
            finally:
                process.kill()
        return sorted(server.events, key=lambda event: str(event["timestamp"]).removesuffix("Z").ljust(30, "0"))


def _ask(url: str, body: bytes) -> None:
    def answered() -> bool:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, {"content-type": "application/json"}), timeout=10) as answer:
                return bool(answer.status == 200)
        except urllib.error.URLError:
            return False

    _until(answered)


def _until(true: Any) -> None:
    for _ in range(3_000):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("opa logged nothing")
