"""A real OPA server on loopback, with a policy folder as its bundle; ``README.md`` tells where the binary comes from."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gateway.capabilities.policy.bundle import load_bundle

START_S = 30.0


def opa_binary() -> str:
    """The ``opa`` of ``OPA_BIN`` or ``PATH``; the test is skipped without one, or fails where services are required."""
    found = os.environ.get("OPA_BIN") or shutil.which("opa")
    if found is None:
        if os.environ.get("GATEWAY_REQUIRE_SERVICES") == "1":
            pytest.fail("there is no opa: set OPA_BIN (tests/servers/get-opa builds it)")
        pytest.skip("there is no opa: set OPA_BIN")
    return found


class OpaProcess:
    """One server; ``start`` again after ``stop`` takes the same port."""

    def __init__(self, folder: Path, *, token: str = "") -> None:
        """``folder`` is for its bundle and its log; ``token`` is what callers have to bring."""
        self._binary = opa_binary()
        self._folder = folder
        self._token = token
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(
        self, policies: Path, revision: str | None = None, *, more: Mapping[str, str] | None = None, watch: bool = False, roots: Sequence[str] = ("",)
    ) -> OpaProcess:
        """Serve ``policies``, with ``more`` files, as a bundle of ``revision``: by default the one that the gateway gives the folder; empty for none.

        ``watch`` makes it see what ``load`` puts there. A file is a bundle, and served as it is.
        """
        bundle = policies if policies.is_file() else self._folder / "bundle"
        if bundle != policies:
            shutil.rmtree(bundle, ignore_errors=True)
            bundle.mkdir()
            for name, text in (more or {}).items():
                (bundle / name).write_text(text, encoding="utf-8")
            self.load(policies, revision, roots)
        command = [self._binary, "run", "--server", "--addr", f"127.0.0.1:{self.port}", "--log-level", "error", "--disable-telemetry", "--bundle", str(bundle)]
        if watch:
            command.append("--watch")
        if self._token:
            rego = self._folder / "authz.rego"
            rego.write_text(f'package system.authz\n\ndefault allow := false\n\nallow if input.identity == "{self._token}"\n')
            shutil.copy(rego, bundle / "authz.rego")
            command += ["--authentication", "token", "--authorization", "basic"]
        with (self._folder / "opa.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + START_S
        while not self._healthy():
            if time.monotonic() > end or self._process.poll() is not None:
                pytest.fail(f"opa did not start: {(self._folder / 'opa.log').read_text()[-500:]}")
            time.sleep(0.02)
        return self

    def load(self, policies: Path, revision: str | None = None, roots: Sequence[str] = ("",)) -> None:
        """Put another policy into the bundle; one that watches has it a moment later. The manifest comes last."""
        bundle = self._folder / "bundle"
        shutil.copytree(policies, bundle, ignore=shutil.ignore_patterns("*_test.rego"), dirs_exist_ok=True)
        (bundle / ".manifest").write_text(json.dumps({"revision": load_bundle(policies).revision if revision is None else revision, "roots": list(roots)}))

    def stop(self) -> None:
        """Kill it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self, signal: int) -> None:
        """Send it a signal, such as ``SIGSTOP``."""
        if self._process is not None:
            self._process.send_signal(signal)

    def _healthy(self) -> bool:
        request = urllib.request.Request(f"{self.url}/health", headers={"Authorization": f"Bearer {self._token}"} if self._token else {})
        try:
            with urllib.request.urlopen(request, timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
