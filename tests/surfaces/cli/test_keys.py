from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.capabilities.keys import KeyRing
from gateway.infrastructure.database import Database
from gateway.settings import Secret, load
from gateway.surfaces.cli.keys import command

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


@pytest.fixture
def run(config: Path) -> Run:
    return lambda *arguments: CliRunner().invoke(command, [*arguments, "--config", str(config)])


def test_a_created_key_is_printed_alone_and_lets_its_holder_in(run: Run, config: Path) -> None:
    result = run("create", "--tenant", "acme", "--name", "bot", "--team", "support", "--role", "operator", "--route", "assistant", "--expires", "30d")
    raw = result.stdout.strip()
    assert (result.exit_code, bool(re.fullmatch(r"gw_[A-Za-z0-9]{12}_[A-Za-z0-9]{43}", raw))) == (0, True)
    assert raw not in result.stderr
    settings = load(config)
    ring = KeyRing(Database(settings.database), settings.keys.api_key_hash.reveal())
    ring.refresh()
    subject = ring.identify(raw)
    assert (subject.tenant, subject.teams, subject.roles, subject.routes) == ("acme", ("support",), ("operator",), ("assistant",))


def test_keys_are_listed_without_their_secrets(run: Run) -> None:
    raws = [run("create", "--tenant", "acme", "--name", name).stdout.strip() for name in ("one", "two")]
    run("revoke", "--tenant", "acme", raws[0].split("_")[1])
    listed = run("list", "--tenant", "acme")
    lines = listed.stdout.splitlines()
    assert [line.split()[1] for line in lines] == ["revoked", "active"]
    assert lines[1].endswith("two")
    as_json = [json.loads(line) for line in run("list", "--tenant", "acme", "--json").stdout.splitlines()]
    assert [(each["name"], each["state"]) for each in as_json] == [("one", "revoked"), ("two", "active")]
    assert as_json[1]["created_ns"] <= time.time_ns()
    assert not [raw for raw in raws if raw in listed.output or raw.rsplit("_", 1)[1] in json.dumps(as_json)]


def test_another_tenant_neither_sees_nor_revokes_a_key(run: Run) -> None:
    key_id = run("create", "--tenant", "acme").stdout.split("_")[1]
    result = run("revoke", "--tenant", "globex", key_id)
    assert (result.exit_code, result.stderr) == (2, f"tenant globex has no key {key_id}; see `gateway keys list --tenant globex`\n")
    assert key_id not in run("list", "--tenant", "globex").output
    assert run("revoke", "--tenant", "acme", key_id).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "--tenant", "acmee"), "has no such tenant; did you mean acme?"),
        (("list", "--tenant", "nobody"), "has no such tenant"),
        (("create", "--tenant", "acme", "--route", "nowhere"), "has no such route; it has assistant"),
        (("create", "--tenant", "acme", "--expires", "soon"), "--expires: 'soon' is no duration"),
        (("revoke", "--tenant", "acme", "nothing"), "tenant acme has no key nothing"),
        (("create",), "Missing option '--tenant'"),
        (("revoke", "--tenant", "acme"), "Missing argument"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(run: Run, arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_database_that_cannot_be_used_is_said_to_be(run: Run, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = load(config).database
    if isinstance(path, Path):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"this is no database" * 500)
    else:
        monkeypatch.setenv("DATABASE_URL", "postgresql://gateway:hunter2@127.0.0.1:1/gateway")
    result = run("list", "--tenant", "acme")
    assert result.exit_code == 2
    assert "the database cannot be used" in result.stderr
    assert "hunter2" not in result.output


@pytest.mark.parametrize("option", ["--name", "--team", "--role"])
def test_what_is_no_text_is_refused(run: Run, option: str) -> None:
    result = run("create", "--tenant", "acme", option, "caf\udce9")
    assert (result.exit_code, "is not UTF-8" in result.stderr) == (2, True)
