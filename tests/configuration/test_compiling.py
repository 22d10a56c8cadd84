from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.configuration.compiled import Listen
from gateway.configuration.compiling import compile_settings
from gateway.configuration.references import resolve_all
from gateway.configuration.shape import check
from gateway.configuration.source import Document
from gateway.settings import Settings, SettingsError, load

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


def test_without_a_word_the_embedded_engine_decides(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    assert compiled(write_config(good_text), good_env).policy.opa is None
    assert compiled(write_config(good_text, ("server:", "policy: {opa: {url: 'http://opa.example.com:8181'}}\nserver:")), good_env).policy.opa is None


def test_an_opa_server_has_defaults_and_takes_its_address_and_token_by_reference(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    opa = compiled(write_config(good_text, ("server:", "policy: {engine: opa}\nserver:")), good_env).policy.opa
    assert opa is not None
    assert (opa.url, opa.token, opa.timeout_s, opa.fallback) == ("http://127.0.0.1:8181", None, 0.5, False)
    referring = "policy: {engine: opa, opa: {url: 'env:OPA_URL', token: 'env:OPA_TOKEN', timeout_ms: 80, fallback: embedded}}\nserver:"
    env = {**good_env, "OPA_URL": "https://opa.example.com", "OPA_TOKEN": "t0ken"}
    opa = compiled(write_config(good_text, ("server:", referring)), env).policy.opa
    assert opa is not None
    assert (opa.url, opa.timeout_s, opa.fallback) == ("https://opa.example.com", 0.08, True)
    assert opa.token is not None
    assert (opa.token.text(), "t0ken" in repr(opa)) == ("t0ken", False)


@pytest.mark.parametrize(
    ("opa", "env", "words"),
    [
        ("{url: 'http://opa.example.com/v1/data'}", {}, "policy.opa.url: is not a URL such as http://127.0.0.1:8181"),
        ("{url: 'http://u:p@opa.example.com'}", {}, "policy.opa.url: is not a URL"),
        ("{url: 'env:OPA_URL'}", {}, "policy.opa.url: the environment variable OPA_URL is not set"),
        ("{url: 'env:OPA_URL'}", {"OPA_URL": "http://opa.example.com/path"}, "policy.opa.url: env:OPA_URL does not hold a URL such as http://127.0.0.1:8181"),
        ("{token: s3cret}", {}, "policy.opa.token: needs a reference to a secret"),
        ("{token: 'env:OPA_TOKEN'}", {}, "policy.opa.token: the environment variable OPA_TOKEN is not set"),
        ("{token: 'env:OPA_TOKEN'}", {"OPA_TOKEN": "a b"}, "policy.opa.token: env:OPA_TOKEN has characters that cannot stand in an HTTP header"),
        ("{timeout_ms: 0}", {}, "policy.opa.timeout_ms"),
        ("{fallback: allow}", {}, "policy.opa.fallback"),
    ],
)
def test_what_is_wrong_about_an_opa_server_is_told_without_values(
    write_config: WriteConfig, good_env: dict[str, str], good_text: str, opa: str, env: dict[str, str], words: str
) -> None:
    path = write_config(good_text, ("server:", f"policy: {{engine: opa, opa: {opa}}}\nserver:"))
    with pytest.raises(SettingsError) as caught:
        load(path, {**good_env, **env})
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_an_opa_server_may_have_no_token(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    opa = compiled(write_config(good_text, ("server:", "policy: {engine: opa, opa: {token: 'env:OPA_TOKEN:-'}}\nserver:")), good_env).policy.opa
    assert opa is not None
    assert opa.token is None
