"""Real processes on free loopback ports, for the bench and the chaos tests: started here, and ended here by their own pid."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TENANT = "acme"
TEAM = "support"
_KEY = re.compile(r"gw_[A-Za-z0-9]+_[A-Za-z0-9]+")

_CONFIG = """\
server:
  listen: 127.0.0.1:{port}
keys:
  api_key_hash: file:secrets/api_key_hash
  record_signing: file:secrets/record_signing
database: {database}
tenants:
  acme:
    placeholder_key: file:secrets/acme_placeholder
    redaction:
      patterns: {{EMPLOYEE_ID: 'E-[0-9]{{6}}'}}
      words: {{PROJECT: [bluebird, red falcon]}}
targets:
  simulated:
    base_url: http://127.0.0.1:{upstream}/v1
    model: simulated-1
    limits: {{connect_s: 5, first_token_s: 10, total_s: 30, concurrent: 1024}}
    price: {{input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.60}}
    breaker: {{failures: 1000}} # its faults are scripted, and none of another call's business
routes:
  assistant:
    target: simulated
    retries: {{max: 0}}
    aliases: [gpt-4o-mini]
    description: The everyday assistant.
policy: {{path: {policies}}}
records: {{durability: power, heads: {folder}/heads}}
telemetry:
  traces: {traces}
  logs: {{format: json, level: warning}}
"""


def free_port() -> int:
    """A loopback port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A child process that serves, its output in a file."""

    def __init__(self, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self._log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def wait_ready(self, port: int, path: str = "/readyz", *, within_s: float = 30.0) -> float:
        """Poll until ``path`` answers 200; the seconds waited.

        Raises:
            RuntimeError: It ended, or did not become ready and was killed; with the end of its output.
        """
        started = time.monotonic()
        while time.monotonic() - started < within_s:
            if self.process.poll() is not None:
                break
            if answers_200(port, path):
                return time.monotonic() - started
            time.sleep(0.005)
        exit_code = self.process.poll()
        self.kill()
        raise RuntimeError(f"not ready (exit code {exit_code}); the end of {self._log.name}:\n{self.output()[-4000:]}")

    def output(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """``kill -9``, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM, *, within_s: float = 30.0) -> int:
        """Ask it to end; kill it where it does not. Its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(within_s)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode


def answers_200(port: int, path: str) -> bool:
    """Whether a GET of ``path`` on loopback is answered with 200."""
    return get(port, path)[0] == 200


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of a GET on loopback; 0 where nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A gateway's config with its secrets and a key, in a folder of its own."""

    folder: Path
    config: Path
    port: int
    key: str
    url: str | None = None
    """Of the database on a server, where it is none of SQLite."""

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "gateway.db"

    def twin(self) -> Stage:
        """The same gateway once more, on a port of its own, for what several processes can share."""
        port = free_port()
        config = self.config.with_name(f"config-{port}.yaml")
        config.write_text(self.config.read_text().replace(f"listen: 127.0.0.1:{self.port}", f"listen: 127.0.0.1:{port}"))
        return replace(self, config=config, port=port)

    def gateway(self, *command: str, env: Mapping[str, str] | None = None) -> Server:
        """``gateway run`` as a process; or ``command`` in place of ``gateway``, with the same arguments."""
        return Server([*(command or ("gateway",)), "run", "--config", str(self.config)], log=self.folder / "gateway.log", env=env)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A gateway command on this config, to its end."""
        return _command(*arguments, "--config", str(self.config))


def build(folder: Path, *, upstream: int, collector: int | None = None, policies: Path = ROOT / "policies", url: str | None = None) -> Stage:
    """Write the config, make its secrets and a key of team ``support``. Every control is on, as shipped. ``url`` is of a database on a server.

    Raises:
        RuntimeError: A command failed; with its words.
    """
    port = free_port()
    config = folder / "config.yaml"
    traces = "{}" if collector is None else f"{{endpoint: 'http://127.0.0.1:{collector}', protocol: http/json}}"
    database = f"{folder}/gateway.db" if url is None else "file:secrets/database_url"
    if url is not None:
        (folder / "secrets").mkdir(mode=0o700)
        (folder / "secrets" / "database_url").touch(mode=0o600)
        (folder / "secrets" / "database_url").write_text(url)
    config.write_text(_CONFIG.format(port=port, folder=folder, upstream=upstream, policies=policies, traces=traces, database=database))
    _checked("init", "--config", str(config))
    printed = _checked("keys", "create", "--config", str(config), "--tenant", TENANT, "--name", "load", "--team", TEAM, "--route", "assistant")
    key = _KEY.search(printed)
    if key is None:
        raise RuntimeError(f"gateway keys create printed no key: {printed}")
    return Stage(folder=folder, config=config, port=port, key=key[0], url=url)


def _checked(*arguments: str) -> str:
    done = _command(*arguments)
    if done.returncode:
        raise RuntimeError(f"gateway {arguments[0]} failed ({done.returncode}): {done.stderr or done.stdout}")
    return done.stdout


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "gateway", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
