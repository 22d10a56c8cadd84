from __future__ import annotations

import base64
import os
import pickle
from pathlib import Path

import pytest

from gateway.configuration.secret import Secret, UnresolvedError, at_least, ed25519_seed, header_value, lookup, parse_env, read_secret_file, resolve

SEED = bytes(range(32))


def test_a_secret_shows_only_where_it_came_from() -> None:
    secret = Secret(b"hunter2-hunter2", "env:NAME")
    assert repr(secret) == str(secret) == f"{secret}" == "Secret(env:NAME)"
    assert (secret.reveal(), secret.text()) == (b"hunter2-hunter2", "hunter2-hunter2")
    assert secret == Secret(b"hunter2-hunter2", "file:other")
    assert secret != Secret(b"hunter3-hunter3", "env:NAME")
    assert secret != b"hunter2-hunter2"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("env:NAME", ("NAME", None)),
        ("env:NAME:-", ("NAME", "")),
        ("env:NAME:-a:-b", ("NAME", "a:-b")),
        ("env:", None),
        ("env:1A", None),
        ("env:A B", None),
        ("file:a", None),
        ("NAME", None),
    ],
)
def test_a_reference_to_the_environment_has_a_name_and_perhaps_a_default(text: str, expected: tuple[str, str | None] | None) -> None:
    assert parse_env(text) == expected


def test_an_empty_variable_counts_as_not_set() -> None:
    reference = parse_env("env:NAME")
    assert reference is not None
    assert lookup(reference, {"NAME": "x"}) == "x"
    for env in ({}, {"NAME": ""}):
        with pytest.raises(UnresolvedError, match="NAME is not set"):
            lookup(reference, env)


def test_a_secret_file_is_relative_to_the_config_and_stripped(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch(mode=0o600)
    path.write_text("  0123456789abcdef\n")
    secret = resolve("file:a", tmp_path, {}, at_least(16))
    assert secret is not None
    assert secret.reveal() == b"0123456789abcdef"
    assert resolve("env:NONE:-", tmp_path, {}, at_least(16)) is None


@pytest.mark.parametrize(
    ("mode", "content", "expected"),
    [
        (0o644, b"x", "open to others (mode 0644)"),
        (0o604, b"x", "open to others (mode 0604)"),
        (0o620, b"x", "open to others (mode 0620)"),
        (0o600, b" \n", "is empty"),
        (0o600, b"x" * 70_000, "is not a file of at most"),
    ],
)
def test_a_secret_file_that_cannot_be_used_is_refused(tmp_path: Path, mode: int, content: bytes, expected: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(UnresolvedError) as refused:
        read_secret_file(path)
    assert expected in refused.value.what
    assert not refused.value.unset


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, expected in (("pipe", "is not a file"), ("none", "does not exist"), (".", "cannot be read"), ("a\0b", "not one that a file can have")):
        with pytest.raises(UnresolvedError, match=expected):
            read_secret_file(tmp_path / name)


def test_group_may_read_a_mounted_secret(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"mounted")
    path.chmod(0o440)
    assert read_secret_file(path) == b"mounted"


@pytest.mark.parametrize("written", [SEED.hex().encode(), SEED.hex().upper().encode(), base64.b64encode(SEED)])
def test_a_signing_seed_is_hexadecimal_or_base64(written: bytes) -> None:
    assert ed25519_seed(written) == SEED


@pytest.mark.parametrize("written", [b"", SEED, SEED.hex().encode()[:-2], b"0" * 64, base64.b64encode(SEED * 2)])
def test_anything_else_is_no_seed_and_is_not_quoted(written: bytes) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is what is looked at
        ed25519_seed(written)
    assert not written or written.decode("latin-1") not in str(refused.value)


def test_short_and_regular_keys_are_refused() -> None:
    for raw, expected in ((b"short", "at least 32"), (b"ab" * 40, "too regular")):
        with pytest.raises(ValueError, match=expected):
            at_least(32)(raw)


def test_an_api_key_must_fit_a_header() -> None:
    assert header_value(b"sk-abc") == b"sk-abc"
    for raw in (b"a b", b"a\r\nx: y", "ä".encode()):
        with pytest.raises(ValueError, match="HTTP header"):
            header_value(raw)
