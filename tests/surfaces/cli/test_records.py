from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.capabilities.records.signing import SigningKey
from gateway.capabilities.records.writer import RecordWriter
from gateway.infrastructure.database import Database
from gateway.settings import Secret, Settings, load
from gateway.surfaces.cli.records import command
from tests.capabilities.records.conftest import Shelf

WriteConfig = Callable[..., Path]
Run = Callable[..., Result]


@pytest.fixture
def config(write_config: WriteConfig, good_env: dict[str, str], good_text: str, monkeypatch: pytest.MonkeyPatch, address: Path | Secret) -> Path:
    for name, value in good_env.items():
        monkeypatch.setenv(name, value)
    if isinstance(address, Secret):
        monkeypatch.setenv("DATABASE_URL", address.text())
        good_text = "database: env:DATABASE_URL\n" + good_text
    tenants = "  acme:\n    placeholder_key: env:PLACEHOLDER\n"
    return write_config(good_text, (tenants, tenants + "  globex:\n    placeholder_key: env:HASH\n"))


async def write(settings: Settings) -> None:
    database = Database(settings.database)
    database.prepare()
    writer = RecordWriter(database, heads=settings.records.heads, key=SigningKey(settings.keys.record_signing.reveal()))
    await writer.start()
    for number in range(3):
        writer.append(Shelf.opened(f"int_a{number}", expires_ns=5), lazy=True)
        await writer.append(Shelf.closed(f"int_a{number}"))
    writer.append(Shelf.opened("int_g0", "globex"), lazy=True)
    await writer.append(Shelf.closed("int_g0", "globex", facts={"state": "refused", "reason": "policy_denied"}))
    await writer.close()


@pytest.fixture
def settings(config: Path) -> Settings:
    settings = load(config)
    asyncio.run(write(settings))
    return settings


@pytest.fixture
def run(config: Path, settings: Settings) -> Run:
    return lambda *arguments: CliRunner().invoke(command, [*arguments, "--config", str(config)])


def test_intents_are_listed_as_lines_and_as_json(run: Run) -> None:
    lines = run("list", "--tenant", "acme").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["int_a2", "int_a1", "int_a0"]
    assert all("completed" in line and "assistant" in line for line in lines)
    page = run("list", "--tenant", "acme", "--limit", "2", "--json")
    assert [json.loads(line)["id"] for line in page.stdout.splitlines()] == ["int_a2", "int_a1"]
    assert page.stderr == "more: --cursor int_a1\n"
    assert run("list", "--tenant", "acme", "--cursor", "int_a1").stdout.startswith("int_a0")
    assert run("list", "--tenant", "acme", "--state", "refused").stdout == ""
    assert "policy_denied" in run("list", "--tenant", "globex", "--route", "assistant").stdout


def test_a_record_is_drawn_or_printed_as_json(run: Run) -> None:
    drawn = run("show", "--tenant", "acme", "int_a1")
    assert drawn.stdout.startswith("int_a1  completed\n")
    assert "attempt   simulated" in drawn.stdout
    record = json.loads(run("show", "--tenant", "acme", "int_a1", "--json").stdout)
    assert record["entries"][0]["content"] == {"request": {"messages": ["from int_a1"]}}


def test_a_clean_ledger_verifies_and_a_damaged_one_does_not(run: Run, settings: Settings) -> None:
    clean = run("verify", "--tenant", "acme")
    assert (clean.exit_code, clean.stdout.startswith("tenant acme: clean: 7 entries in 1 chains, 0 erased, 0 intents open")) == (0, True)
    with closing(Database(settings.database).driver()) as connection:
        connection.execute("UPDATE entries SET state = 'refused' WHERE intent_id = 'int_a1' AND kind = 'closed'")
    damaged = run("verify", "--tenant", "acme")
    assert damaged.exit_code == 1
    assert "#4 int_a1: column state differs from the hashed body" in damaged.stdout
    assert "tenant acme: 1 problems" in damaged.stdout
    assert run("verify", "--tenant", "globex").exit_code == 0


def test_heads_of_other_machines_are_named_beside_ones_own(run: Run, settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other"
    settings.records.heads.rename(other)
    lacking = run("verify", "--tenant", "acme")
    assert (lacking.exit_code, "name its folder with --heads" in lacking.stdout) == (1, True)
    assert run("verify", "--tenant", "acme", "--heads", str(other)).exit_code == 0
    lines = run("export", "--tenant", "acme", "--heads", str(other), "-").stdout.splitlines()
    assert [json.loads(line)["type"] for line in lines].count("head") == 1
    refused = run("verify", "--tenant", "acme", "--heads", str(tmp_path / "nowhere"))
    assert (refused.exit_code, "there is no such folder" in refused.stderr) == (2, True)


def test_folders_that_contradict_each_other_are_a_problem(run: Run, settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "copy"
    shutil.copytree(settings.records.heads, other)
    assert run("verify", "--tenant", "acme", "--heads", str(other)).exit_code == 0
    for path in other.iterdir():
        path.write_bytes(b"x" * 1024)
    assert "another head of chain" in run("verify", "--tenant", "acme", "--heads", str(other)).stdout
    assert "another head of chain" in run("export", "--tenant", "acme", "--heads", str(other), "-").stderr


def test_an_export_verifies_offline_with_the_key_that_verify_prints(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "acme.jsonl"
    assert run("export", "--tenant", "acme", str(path)).exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    key = run("verify", "--tenant", "acme").stdout.split()[-1]

    def offline(*arguments: str) -> Result:
        return CliRunner().invoke(command, ["verify", "--export", str(path), *arguments])

    assert (offline("--public-key", key).exit_code, offline("--public-key", key).stderr) == (0, "")
    assert "--public-key shows who signed it" in offline().stderr
    assert offline("--public-key", SigningKey(bytes(32)).verify_key.encoded()).exit_code == 1
    assert offline("--public-key", "nonsense").exit_code == 2
    assert offline("--tenant", "globex").exit_code == 2
    path.write_text(path.read_text().replace("from int_a1", "from int_a2"))
    assert "int_a1: content or salt is not what was digested" in offline("--public-key", key).stdout


def test_an_export_goes_to_standard_output_and_from_a_moment_on(run: Run) -> None:
    lines = run("export", "--tenant", "acme", "-").stdout.splitlines()
    assert [json.loads(line)["type"] for line in lines].count("entry") == 7
    assert not [line for line in lines if "int_g0" in line]
    lines = run("export", "--tenant", "acme", "--since", "2999-01-01", "-").stdout.splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["export", "head", "end"]


def test_erasing_one_intent_or_what_has_expired_leaves_a_clean_ledger(run: Run) -> None:
    assert run("erase", "--tenant", "acme", "int_a0").stdout == "erased the content of 1 intents (2 entries)\n"
    assert "content erased" in run("show", "--tenant", "acme", "int_a0").stdout
    assert run("erase", "--tenant", "acme", "--expired").stdout == "erased the content of 2 intents (2 entries)\n"
    assert run("verify", "--tenant", "acme").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "--tenant", "globex", "int_a1"), "tenant globex has no record int_a1"),
        (("show", "--tenant", "acme", "int_g0"), "tenant acme has no record int_g0"),
        (("erase", "--tenant", "globex", "int_a1"), "tenant globex has no record int_a1"),
        (("erase", "--tenant", "acme"), "either the ID of an intent or --expired"),
        (("erase", "--tenant", "acme", "--expired", "int_a1"), "either the ID of an intent or --expired"),
        (("list", "--tenant", "glob"), "did you mean globex?"),
        (("list",), "Missing option '--tenant'"),
        (("verify",), "give either --tenant, or --export"),
        (("verify", "--export", "/nowhere/at.all"), "No such file"),
        (("verify", "--tenant", "nobody"), "no such tenant"),
        (("export", "--tenant", "acme", "--since", "yesterday", "-"), "--since: 'yesterday' is no duration"),
        (("export", "--tenant", "acme", "/nowhere/at.all"), "No such file"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(run: Run, arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_intents_that_wait_for_people_are_listed_drawn_and_counted(run: Run, settings: Settings) -> None:
    async def park() -> None:
        writer = RecordWriter(Database(settings.database), heads=settings.records.heads, key=SigningKey(settings.keys.record_signing.reveal()))
        await writer.start()
        await writer.move(lambda _: None, Shelf.opened("int_w0"), Shelf.held("parked", "int_w0"))
        await writer.move(lambda _: None, Shelf.held("decided", "int_w0"))
        await writer.close()

    asyncio.run(park())
    (line,) = run("list", "--tenant", "acme", "--state", "parked").stdout.splitlines()
    assert line.split()[0] == "int_w0"
    assert "parked" in line
    assert run("list", "--tenant", "acme", "--state", "running").stdout == ""
    drawn = run("show", "--tenant", "acme", "int_w0").stdout
    assert drawn.startswith("int_w0  parked\n")
    assert "Ann Smith (key_2): accept" in drawn
    assert "comment: as agreed" in drawn
    verified = run("verify", "--tenant", "acme")
    assert verified.exit_code == 0
    assert " 0 intents open and 1 parked, " in verified.stdout
