"""The stage of the demo: real processes (provider, gateway, commands) in a folder of their own, and what can be read of them from outside."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
GATEWAY = pathlib.Path(os.environ.get("GATEWAY_BIN", ROOT / ".venv" / "bin" / "gateway"))


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stage:
    """Everything that runs during the demo."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.provider_port = free_port(), free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.config = folder / "config.yaml"
        self.provider_log = folder / "provider.log"
        self.reviewer_key = ""
        """Of the person who reviews."""
        self._provider: subprocess.Popen[bytes] | None = None
        self._gateway: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Write the config: the shipped one (or ``DEMO_CONFIG``), on free ports and with its own folder for data."""
        text = pathlib.Path(os.environ.get("DEMO_CONFIG", ROOT / "config.yaml")).read_text()
        for shipped, here in (("127.0.0.1:8080", f"127.0.0.1:{self.port}"), ("127.0.0.1:9101", f"127.0.0.1:{self.provider_port}")):
            if shipped not in text:
                raise SystemExit(f"demo: config.yaml no longer holds {shipped}; the demo moves that address to a free port")
            text = text.replace(shipped, here)
        policies = os.environ.get("DEMO_POLICIES", str(ROOT / "policies"))
        self.config.write_text(text.replace("path: policies", f"path: {policies}"))
        self.command("init")

    def command(self, *words: str, check: bool = True, key: str = "") -> str:
        """Run ``gateway WORDS`` on the demo's config, in the name of who has ``key``; its output."""
        environment = {**os.environ, "GATEWAY_KEY": key}
        done = subprocess.run([GATEWAY, *words, "--config", self.config], capture_output=True, text=True, check=False, env=environment)
        if check and done.returncode != 0:
            raise SystemExit(f"demo: gateway {' '.join(words)} failed with status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def new_key(self, name: str, team: str, *roles: str) -> str:
        """An API key of tenant acme."""
        given = [word for role in roles for word in ("--role", role)]
        shown = self.command("keys", "create", "--tenant", "acme", "--name", name, "--team", team, "--route", "*", *given)
        return next(word for word in shown.split() if word.startswith("gw_") and word.count("_") >= 2)

    def start_provider(self) -> None:
        """Start the simulated provider; it logs the bytes that it receives."""
        address = f"127.0.0.1:{self.provider_port}"
        script = ROOT / "demo" / "provider.yaml"
        self._provider = subprocess.Popen([GATEWAY, "simulate", "--script", script, "--listen", address, "--log", self.provider_log], stdout=subprocess.DEVNULL)
        self._await(f"http://{address}/v1/models", self._provider)

    def start_gateway(self) -> float:
        """Start the gateway; seconds until it was ready."""
        with (self.folder / "gateway.log").open("ab") as log:
            began = time.monotonic()
            self._gateway = subprocess.Popen([GATEWAY, "run", "--config", self.config], stderr=log, stdout=log)
        self._await(f"{self.base_url}/readyz", self._gateway)
        return time.monotonic() - began

    def _await(self, url: str, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise SystemExit(f"demo: {process.args!r} ended with status {process.returncode}; see {self.folder}")
            try:
                with urllib.request.urlopen(url, timeout=1):
                    return
            except OSError:
                time.sleep(0.02)
        raise SystemExit(f"demo: {url} did not answer; see {self.folder}")

    def kill_gateway(self) -> None:
        """``kill -9``."""
        if self._gateway is not None:
            self._gateway.send_signal(signal.SIGKILL)
            self._gateway.wait()

    def close(self) -> None:
        """End what still runs."""
        for process in (self._gateway, self._provider):
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def received(self, since: int = 0) -> list[str]:
        """The bodies that the provider received, as text, from request number ``since`` on."""
        if not self.provider_log.exists():
            return []
        return [json.loads(line)["body"] for line in self.provider_log.read_text().splitlines()][since:]

    def record(self, intent_id: str) -> Record:
        """A record of tenant acme."""
        return Record(json.loads(self.command("records", "show", "--tenant", "acme", "--json", intent_id)))

    def records(self) -> dict[str, Record]:
        """Every record of tenant acme, by id, from an export."""
        entries: dict[str, list[dict[str, Any]]] = {}
        for line in self.command("records", "export", "--tenant", "acme", "-").splitlines():
            entry = json.loads(line)
            if entry["type"] == "entry" and entry["intent_id"]:
                body = json.loads(entry["body"]["utf8"])
                content = json.loads(entry["content"]["utf8"]) if entry.get("content") else None
                entries.setdefault(entry["intent_id"], []).append({"kind": entry["kind"], "facts": body["facts"], "content": content})
        return {intent_id: Record({"entries": found}) for intent_id, found in entries.items()}


class Record:
    """What the demo reads of a record."""

    def __init__(self, shown: dict[str, Any]) -> None:
        entries = {entry["kind"]: entry for entry in shown["entries"]}
        self.opened: dict[str, Any] = entries.get("opened", {}).get("facts") or {}
        self.closed: dict[str, Any] = entries.get("closed", {}).get("facts") or {}
        self._answer = (entries.get("closed", {}).get("content") or {}).get("answer") or []

    @property
    def state(self) -> str:
        """The state of the intent."""
        return str(self.closed.get("state", "running"))

    @property
    def text(self) -> str:
        """The answer's text as it is kept."""
        return "".join(choice.get("content") or "" for choice in self._answer)

    @property
    def decided(self) -> str:
        """What policy said and why."""
        said = []
        for decision in (self.opened.get("decision"), self.closed.get("decision")):
            if decision is not None:
                reasons = ", ".join(f"{reason['rule']}: {reason['message']}" for reason in decision["reasons"])
                said.append(f"{decision['hook']} hook: {decision['outcome']}" + (f" ({reasons})" if reasons else ""))
        return "; ".join(said)

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """Every call of a target."""
        return list(self.closed.get("attempts") or ())

    @property
    def attempts_told(self) -> str:
        """What each call was for and how it went."""
        return "; ".join(f"{one['purpose']}: {one['target']}, {one['error'] or one['finish_reason']}" for one in self.attempts)

    @property
    def confidence(self) -> dict[str, Any]:
        """Score and signals of the first choice."""
        judged = self.closed.get("confidence") or [{}]
        return dict(judged[0])

    @property
    def steps(self) -> str:
        """How long each step took."""
        return "  ".join(f"{name} {took / 1e6:.2f} ms" for name, took in self.closed.get("steps", ()))
