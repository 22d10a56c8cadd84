from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.configuration.compiled import Listen
from gateway.configuration.compiling import compile_settings
from gateway.configuration.references import resolve_all
from gateway.configuration.shape import check
from gateway.configuration.source import Document
from gateway.settings import Settings

WriteConfig = Callable[..., Path]


def compiled(path: Path, env: dict[str, str]) -> Settings:
    document = Document(path)
    shape = check(document)
    assert shape is not None
    return compile_settings(document, shape, resolve_all(document, env))


@pytest.mark.parametrize(
    ("text", "expected"), [("127.0.0.1:0", Listen("127.0.0.1", 0)), ("'[::1]:8080'", Listen("::1", 8080)), ("localhost:80", Listen("localhost", 80))]
)
def test_an_address_is_taken_apart(write_config: WriteConfig, good_env: dict[str, str], good_text: str, text: str, expected: Listen) -> None:
    assert compiled(write_config(good_text, ("127.0.0.1:8080", text)), good_env).server.listen == expected


def test_paths_are_joined_to_the_folder_of_the_config_unless_absolute(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    path = write_config(good_text, ("server:", "policy: {path: rules}\nrecords: {heads: /srv/heads}\nserver:"))
    settings = compiled(path, good_env)
    assert (settings.policy.path, settings.records.heads) == (path.parent / "rules", Path("/srv/heads"))


def test_every_name_of_a_route_leads_to_the_same_route(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    settings = compiled(write_config(good_text, ("[gpt-4o-mini]", "[a, B:1]")), good_env)
    assert list(settings.routes_by_name) == ["assistant", "a", "B:1"]
    assert len({id(route) for route in settings.routes_by_name.values()}) == 1


def test_what_a_tenant_adds_cannot_be_changed_later(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    path = write_config(good_text, ("    placeholder_key", "    redaction: {patterns: {A: x}, words: {B: [y]}}\n    placeholder_key"))
    options = compiled(path, good_env).tenants["acme"].redaction
    assert (dict(options.patterns), dict(options.words)) == ({"A": "x"}, {"B": ("y",)})
    assert not hasattr(options.patterns, "update")
