from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.configuration.references import resolve_all, secret_references
from gateway.configuration.source import Document

WriteConfig = Callable[..., Path]


def test_references_are_followed_even_where_the_rest_is_wrong(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    document = Document(write_config(good_text, ("listen:", "lisen:"), ("model: simulated-1", "model: 5")))
    resolved = resolve_all(document, good_env)
    assert document.problems == []
    assert {where[-1] for where in resolved.secrets} == {"api_key_hash", "record_signing", "placeholder_key"}


@pytest.mark.parametrize(
    "text",
    [
        "keys: 5\n",
        "tenants: [a]\n",
        "targets: {x: 5}\nroutes: {y: 5}\n",
        "routes: {y: {target: [1], aliases: {a: b}}}\n",
        "tenants: {x: {placeholder_key: {}}}\n",
    ],
)
def test_any_shape_is_looked_at_without_falling_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert resolve_all(Document(path), {}).secrets == {}


def test_a_target_keeps_its_first_reason_for_being_left_out(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("targets: {x: {base_url: 'env:URL', model: 'env:MODEL', api_key: 'env:KEY', optional: true}}\n")
    document = Document(path)
    assert resolve_all(document, {}).left_out == {"x": "the environment variable KEY is not set"}
    assert document.problems == []


def test_a_missing_key_file_of_an_optional_target_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("targets: {x: {base_url: 'http://h/v1', model: m, api_key: 'file:none', optional: true}}\n")
    document = Document(path)
    assert resolve_all(document, {}).left_out == {}
    assert [problem.where for problem in document.problems] == ["targets.x.api_key"]


def test_secrets_are_listed_with_the_target_that_they_belong_to(write_config: WriteConfig, good_text: str) -> None:
    document = Document(write_config(good_text, ("    price:", "    api_key: env:KEY\n    price:")))
    assert [(reference.reference, reference.target) for reference in secret_references(document)][-1] == ("env:KEY", "simulated")


def test_two_tenants_do_not_share_a_placeholder_key(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    tenants = "    placeholder_key: env:PLACEHOLDER\n"
    document = Document(write_config(good_text, (tenants, f"{tenants}  globex:\n    placeholder_key: env:SAME\n")))
    resolve_all(document, {**good_env, "SAME": good_env["PLACEHOLDER"]})
    assert [(problem.where, problem.what) for problem in document.problems] == [
        ("tenants.globex.placeholder_key", "is the same secret as tenants.acme.placeholder_key")
    ]
