"""A deployment as an operator makes it: the shipped config and policies in a folder of their own, real processes, real commands.

Only the standard library: these tests run in the clients' environment, which does not have the gateway. ``GATEWAY_BIN`` names another command.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = os.environ.get("GATEWAY_BIN", str(ROOT / ".venv" / "bin" / "gateway"))
SCRIPT = Path(__file__).with_name("provider.yaml")

_PRICE = "    price: {input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.60}\n"
_CHANGES = {
    _PRICE: _PRICE + "    limits: {connect_s: 2, first_token_s: 0.7, total_s: 2.5}\n    breaker: {failures: 1000}\n",
    "path: policies": "path: policies\n  reload_s: 0.1",
    "format: console": "format: json",
    "\ntargets:\n": """
targets:
  fragile: {base_url: http://127.0.0.1:9101/v1, model: simulated-1, breaker: {failures: 1, open_s: 3600}}
  narrow: {base_url: http://127.0.0.1:9101/v1, model: simulated-1, context_tokens: 2000}
""",
    "\nroutes:\n": """
routes:
  alone: {target: simulated, retries: {max: 0}}
  tireless: {targets: [{target: simulated}, {target: simulated-backup}], retries: {max: 5, backoff_s: 0.001}, attempts: 4}
  fixed: {target: simulated, retries: {max: 0}, schema: order, last_resort: {customer: nobody, items: [{name: nothing, quantity: 1}]}}
  fragile: {target: fragile, retries: {max: 0}}
  narrow: {target: narrow}
""",
}
"""What every deployment of the tests has: limits that a test can wait for, a policy that reloads at once, targets that no test spoils for the others, and
routes for what the shipped ones do not declare."""
_GRANTED = "support: {routes: ["


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def replaced(text: str, old: str, new: str, times: int) -> str:
    """``text`` with ``new`` in the place of ``old``, which has to be there."""
    assert old in text, f"the shipped files no longer hold {old!r}"
    return text.replace(old, new, times)


def eventually(what: str, check: Any, within_s: float = 10.0) -> Any:
    """The first true value that ``check()`` gives."""
    deadline = time.monotonic() + within_s
    while not (value := check()):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)
    return value


class Provider:
    """The simulated provider as a process; its log has the bytes of every request."""

    def __init__(self, folder: Path) -> None:
        self.port, self.log = free_port(), folder / "provider.jsonl"
        address = f"127.0.0.1:{self.port}"
        self._process = subprocess.Popen([GATEWAY, "simulate", "--script", SCRIPT, "--listen", address, "--log", self.log], stdout=subprocess.DEVNULL)
        eventually("the provider answers", lambda: _status(f"http://{address}/v1/models")[0] == 200, 20)

    def received(self, marker: str) -> list[Any]:
        """The bodies of the requests that hold ``marker``."""
        lines = [json.loads(line)["body"] for line in self.log.read_text().split("\n") if line]
        return [json.loads(body) for body in lines if marker in body]

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)


class Deployment:
    """One gateway: its folder, its config, its process."""

    def __init__(self, folder: Path, provider: Provider, changes: Mapping[str, str] | None = None, like: Deployment | None = None) -> None:
        """In ``folder``, with ``changes`` to the config's text; with the secrets, keys and records of ``like``, or new secrets."""
        self.folder, self.provider, self.port = folder, provider, free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.policies = folder / "policies"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(ROOT / "policies", self.policies)
        text = (ROOT / "config.yaml").read_text()
        addresses = {"127.0.0.1:8080": f"127.0.0.1:{self.port}", "127.0.0.1:9101": f"127.0.0.1:{provider.port}"}
        for old, new in {**_CHANGES, **addresses}.items():
            text = replaced(text, old, new, text.count(old))
        for old, new in (changes or {}).items():
            text = replaced(text, old, new, 1)
        table = self.policies / "data.yaml"
        table.write_text(replaced(table.read_text(), _GRANTED, f"{_GRANTED}alone, tireless, fixed, fragile, narrow, ", 1))
        (folder / "config.yaml").write_text(text)
        self._process: subprocess.Popen[bytes] | None = None
        if like is None:
            self.command("init")
        else:
            shutil.copytree(like.folder / ".gateway", folder / ".gateway")

    def command(self, *words: str, status: int = 0) -> str:
        """``gateway WORDS``; what it printed."""
        done = subprocess.run(
            [GATEWAY, *words, "--config", self.folder / "config.yaml"], capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
        )
        assert done.returncode == status, f"gateway {' '.join(words)}: {done.returncode}: {done.stderr}"
        return done.stdout if status == 0 else done.stderr

    def new_key(self, *options: str, tenant: str = "acme", team: str = "support") -> str:
        """A key; it is good for a running gateway within half a second."""
        return self.command("keys", "create", "--tenant", tenant, "--team", team, *options).strip()

    def start(self) -> None:
        """Start, and wait until it is ready."""
        with (self.folder / "gateway.log").open("ab") as log:
            self._process = subprocess.Popen([GATEWAY, "run", "--config", self.folder / "config.yaml"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        eventually("the gateway is ready", lambda: self._ended() or self.get("/readyz")[0] == 200, 20)
        assert not self._ended(), self.log

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        assert self._process is not None
        return self._process.wait(30)

    def stop(self) -> None:
        """End it if it runs."""
        if self._process is not None and not self._ended():
            self.signal()
            self.wait()

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    @property
    def log(self) -> str:
        """What it has logged."""
        return (self.folder / "gateway.log").read_text()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a GET."""
        return _status(self.base_url + path)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series that have ``labels``."""
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(f'{label}="{value}"' in line for label, value in labels.items()))

    def record(self, intent_id: str, tenant: str = "acme") -> Any:
        """A record as JSON."""
        return json.loads(self.command("records", "show", "--tenant", tenant, "--json", intent_id))

    def closed(self, intent_id: str) -> Any:
        """The facts of the record's last entry, once it is there."""
        entries = eventually("the record is closed", lambda: [entry for entry in self.record(intent_id)["entries"] if entry["kind"] == "closed"])
        return entries[0]["facts"]


def _status(url: str) -> tuple[int, str]:
    """0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""
