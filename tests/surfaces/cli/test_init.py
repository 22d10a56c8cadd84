from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.settings import load
from gateway.surfaces.cli.init import command

WriteConfig = Callable[..., Path]


def init(config: Path) -> Result:
    return CliRunner().invoke(command, ["--config", str(config)])


def test_missing_secrets_are_made_private_and_good(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    config = write_config(
        good_text, ("env:HASH", "file:.gateway/secrets/hash"), ("env:PLACEHOLDER", "file:.gateway/secrets/acme"), ("secrets/seed", ".gateway/secrets/seed")
    )
    result = init(config)
    assert (result.exit_code, result.output) == (
        0,
        "made     .gateway/secrets/hash\nmade     .gateway/secrets/seed\nmade     .gateway/secrets/acme\n",
    )
    folder = config.parent / ".gateway" / "secrets"
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}
    assert {oct(path.stat().st_mode & 0o777) for path in (folder, folder.parent)} == {"0o700"}
    settings = load(config, good_env)
    values = {settings.keys.api_key_hash.reveal(), settings.keys.record_signing.reveal(), settings.tenants["acme"].placeholder_key.reveal()}
    assert len(values) == 3
    assert not [value for value in values if value.hex() in result.output or value.decode("latin-1") in result.output]


def test_a_second_run_changes_nothing(write_config: WriteConfig, good_text: str) -> None:
    config = write_config(good_text, ("env:HASH", "file:.gateway/hash"))
    init(config)
    before = (config.parent / ".gateway/hash").read_bytes()
    assert (init(config).output, (config.parent / ".gateway/hash").read_bytes()) == ("", before)


def test_an_empty_secret_file_is_left_for_its_owner(write_config: WriteConfig) -> None:
    config = write_config()
    (config.parent / "secrets/seed").write_text("")
    assert init(config).output == ""
    assert (config.parent / "secrets/seed").read_bytes() == b""


def test_what_is_not_ours_to_make_is_named(write_config: WriteConfig, good_text: str) -> None:
    config = write_config(good_text, ("env:HASH", "file:../outside"), ("    price:", "    api_key: file:provider-key\n    price:"))
    result = init(config)
    assert (result.exit_code, result.output) == (
        0,
        "missing  ../outside: outside the config's folder, so it is yours to make\nmissing  provider-key: put the API key of target simulated there\n",
    )
    assert not (config.parent / "provider-key").exists()
    assert not (config.parent.parent / "outside").exists()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [("server:", "sever:", "config.yaml:1: sever: unknown key (did you mean 'server'?)"), ("env:HASH", "hunter2", "needs a reference")],
)
def test_a_config_that_is_wrong_is_refused_with_every_reason(write_config: WriteConfig, good_text: str, old: str, new: str, expected: str) -> None:
    result = init(write_config(good_text, (old, new)))
    assert result.exit_code == 2
    assert expected in result.output
    assert "hunter2" not in result.output


def test_a_place_where_no_file_can_be_is_named(write_config: WriteConfig, good_text: str) -> None:
    config = write_config(good_text, ("env:HASH", "file:config.yaml/hash"))
    result = init(config)
    assert (result.exit_code, "cannot be made" in result.output) == (2, True)


def test_the_url_of_a_database_is_not_drawn(write_config: WriteConfig, good_text: str) -> None:
    config = write_config(good_text, ("keys:", "database: file:database-url\nkeys:"))
    assert init(config).output == "missing  database-url: put the value of database there\n"
    assert not (config.parent / "database-url").exists()


def test_payload_keys_and_webhook_secrets_are_drawn_but_no_older_key_is_made_up(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    keys = "    payload_key: file:.gateway/payload\n    older_payload_keys: ['file:.gateway/older']\n    placeholder_key"
    queues = "queues: {reviews: {webhook: {url: 'https://hooks.example.com', secret: 'file:.gateway/hook'}}}\nserver:"
    config = write_config(good_text, ("    placeholder_key", keys), ("server:", queues))
    assert init(config).output.splitlines() == [
        "made     .gateway/payload",
        "missing  .gateway/older: put the value of tenants.acme.older_payload_keys[0] there",
        "made     .gateway/hook; give it to the webhook's receiver too",
    ]
    config.write_text(config.read_text().replace("    older_payload_keys: ['file:.gateway/older']\n", ""))
    settings = load(config, good_env)
    webhook = settings.queues["reviews"].webhook
    assert webhook is not None
    assert (len(settings.tenants["acme"].payload_keys[0].reveal()), len(webhook.secret.reveal())) == (64, 48)
