"""``gateway policy backtest``, on both kinds of databases."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from gateway.capabilities.policy.backtest.crew import MODULE
from gateway.capabilities.records.erase import Eraser
from gateway.capabilities.records.signing import SigningKey
from gateway.infrastructure.database import Database
from gateway.settings import Secret, load
from gateway.surfaces.cli.policy import command
from gateway.testing import ALLOW_ALL, ENV, local_gateway

Run = Callable[..., Result]
DENIES = ALLOW_ALL | {
    "intent.rego": 'package gateway.intent\n\ndefault verdict := {"outcome": "allow", "obligations": {"reveal": {"model": [], "caller": [], "record": []}}}\n\n'
    'verdict := {"outcome": "deny", "reasons": [{"rule": "globex.closed", "message": "m"}]} if input.subject.tenant == "globex"\n'
}
SLOW = ALLOW_ALL | {
    "intent.rego": 'package gateway.intent\n\ndefault verdict := {"outcome": "allow"}\n\nchars := split(input.request.messages[0].content, "")\n\n'
    'verdict := {"outcome": "deny"} if {\n\tsome a in chars\n\tsome b in chars\n\tconcat("", [a, b]) == "no such"\n}\n'
}
"""It passes lint and trial, and takes minutes on the long messages below."""
only_file = pytest.mark.parametrize("address", ["sqlite"], indirect=True)


def policy(folder: Path, files: dict[str, str]) -> str:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return str(folder)


def environment(address: Path | Secret) -> dict[str, str]:
    return ENV | ({"DATABASE_URL": address.text()} if isinstance(address, Secret) else {})


@pytest.fixture
async def config(tmp_path: Path, address: Path | Secret, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config of a gateway that had three calls of acme and one of globex."""
    changes = {} if isinstance(address, Path) else {"database: gateway.db": "database: env:DATABASE_URL"}
    for name, value in environment(address).items():
        monkeypatch.setenv(name, value)
        monkeypatch.setitem(ENV, name, value)
    (tmp_path / "gateway").mkdir()
    async with local_gateway(tmp_path / "gateway", changes=changes) as local:
        for tenant in ("acme", "acme", "globex", "acme"):
            await local.ask("hello " * 10_000, key=local.key(tenant))
    return tmp_path / "gateway" / "config.yaml"


@pytest.fixture
def run(config: Path, tmp_path: Path) -> Run:
    candidate = policy(tmp_path / "candidate", DENIES)

    def run(*arguments: str, candidate: str = candidate) -> Result:
        return CliRunner().invoke(command, ["backtest", "--config", str(config), "--candidate", candidate, "--workers", "1", *arguments])

    return run


def test_a_candidate_is_held_against_what_was_recorded(run: Run) -> None:
    done = run()
    assert done.exit_code == 0, done.output
    for said in ("8 of 4 records", "newly denied                     1", "rule    globex.closed 1", "unchanged                        7"):
        assert said in done.output


@only_file
@pytest.mark.parametrize(
    ("conditions", "exit_code"), [(["new_denies > 0.5%"], 1), (["new_denies > 50%"], 0), (["new_allows > 0", "new_denies >= 1"], 1), (["replayed < 8"], 0)]
)
def test_a_condition_that_holds_fails_the_command(run: Run, conditions: list[str], exit_code: int) -> None:
    done = run("--format", "json", *(word for condition in conditions for word in ("--fail-if", condition)))
    assert done.exit_code == exit_code
    assert [judged["condition"] for judged in orjson.loads(done.stdout)["conditions"]] == conditions


@only_file
def test_a_report_goes_into_a_file(run: Run, tmp_path: Path) -> None:
    assert run("--format", "html", "-o", str(tmp_path / "report.html")).output == ""
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert run("--format", "json", "-o", str(tmp_path / "no" / "report.json")).exit_code == 2


def test_one_tenant_never_sees_another(run: Run, tmp_path: Path) -> None:
    for form in ("table", "json", "html"):
        done = run("--tenant", "acme", "--format", form, candidate=policy(tmp_path / form, ALLOW_ALL))
        assert done.exit_code == 0
        assert "globex" not in done.output
    report = orjson.loads(run("--tenant", "globex", "--hook", "intent", "--format", "json").stdout)
    assert (report["tenants"], report["decisions"], report["outcomes"]["newly_denied"]["by_tenant"]) == (["globex"], 1, {"globex": 1})


@only_file
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fail-if", "new_denys > 1"], "did you mean new_denies?"),
        (["--tenant", "globx"], "did you mean globex?"),
        (["--since", "yesterday"], "--since: 'yesterday' is no duration"),
        (["--until", "8d"], "--since must be before --until"),
        (["--since", "2020-01-01", "--until", "2020-13-01"], "--until"),
        (["--baseline", "nowhere"], "there is no such policy folder"),
        (["--hook", "tool"], "Invalid value for '--hook'"),
        (["--workers", "0"], "Invalid value for '--workers'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_write(run: Run, arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in done.output


@only_file
def test_a_candidate_that_does_not_load_is_refused_with_its_lines(run: Run, tmp_path: Path) -> None:
    done = run(candidate=policy(tmp_path / "broken", {"intent.rego": "package gateway.intent\n\nverdict := {\n"}))
    assert done.exit_code == 2
    assert re.search(r"intent\.rego:\d+:\d+: does not compile", done.output)


@only_file
def test_a_window_without_records_says_so_and_fails_no_condition_silently(run: Run) -> None:
    window = ("--since", "2020-01-01", "--until", "2020-02-01T00:00:00+01:00")
    done = run(*window)
    assert (done.exit_code, "there are no recorded decisions in this window" in done.output) == (0, True)
    unjudged = run(*window, "--fail-if", "new_denies > 0")
    assert (unjudged.exit_code, "cannot be judged" in unjudged.output) == (2, True)


def test_what_was_erased_is_counted_apart(run: Run, config: Path) -> None:
    settings = load(config)
    database = Database(settings.database)
    with database.read() as connection:
        erased = connection.exec_driver_sql("SELECT intent_id FROM entries WHERE tenant = 'acme' AND kind = 'opened' ORDER BY intent_id").scalars().first()
    Eraser(database, heads=settings.records.heads, key=SigningKey(settings.keys.record_signing.reveal())).intent("acme", str(erased))
    database.release()
    apart = orjson.loads(run("--format", "json").stdout)["not_replayable"]
    assert apart["reasons"]["erased"]["by_hook"] == {"answer": 1, "intent": 1}
    assert {example["record"] for example in apart["reasons"]["erased"]["examples"]} == {erased}


@only_file
def test_a_candidate_that_does_not_end_on_a_record_is_an_error_in_bounded_time(run: Run, tmp_path: Path) -> None:
    started = time.monotonic()
    done = run("--limit-s", "0.5", candidate=policy(tmp_path / "slow", SLOW))
    assert done.exit_code == 2
    assert re.search(r"a policy took longer than 0\.5 s on record int_[0-9a-f]{28}; make the rule cheaper", done.output)
    assert time.monotonic() - started < 60


@only_file
def test_an_interrupt_ends_it_without_a_report_and_without_a_trace(config: Path, tmp_path: Path) -> None:
    slow = policy(tmp_path / "slow", SLOW)
    arguments = ["policy", "backtest", "--config", str(config), "--candidate", slow, "--workers", "2", "--limit-s", "60"]
    # A shell starts what runs in the background with interrupts ignored, and whoever that starts ignores them, too.
    heeding = ["env", "--default-signal=INT", sys.executable, "-m", "gateway", *arguments]
    process = subprocess.Popen(heeding, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not _workers(process.pid):
            time.sleep(0.05)
        workers = _workers(process.pid)
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out, err.splitlines()[-1:]) == (130, "", ["interrupted; nothing is reported"])
    assert workers
    assert "Traceback" not in err
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def _workers(pid: int) -> list[int]:
    try:
        children = [int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()]
        return [child for child in children if MODULE.encode() in Path(f"/proc/{child}/cmdline").read_bytes()]
    except OSError:
        return []
