from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.linters.configuration_doc import BEGIN, END, check, renewed, table

Tree = Callable[[dict[str, str]], Path]


def test_the_list_has_every_key_with_type_default_and_meaning() -> None:
    rows = table().splitlines()
    assert "| `server.limits.body_bytes` | whole number | `4194304` | Largest request body, in bytes; larger is refused with 413. |" in rows
    assert any(row.startswith("| `tenants.NAME.placeholder_key` | reference | required | ") for row in rows)
    assert any(row.startswith("| `telemetry.traces.endpoint` | URL | none | ") for row in rows)
    assert all(row.count(" | ") == 3 and not row.endswith("|  |") for row in rows[2:])


def test_a_list_that_is_not_what_the_models_say_is_found(tree: Tree) -> None:
    old = f"before\n{BEGIN}\n| `server.lisen` |\n{END}\nafter\n"
    root = tree({"docs/configuration.md": old})
    assert check(root) == ["docs/configuration.md: is not what the models say; run `make format`"]
    tree({"docs/configuration.md": renewed(old)})
    assert check(root) == []
    assert (root / "docs/configuration.md").read_text().startswith("before\n")
    assert (root / "docs/configuration.md").read_text().endswith("after\n")


def test_a_document_without_a_place_for_the_list_is_found(tree: Tree) -> None:
    assert len(check(tree({"docs/configuration.md": "nothing\n"}))) == 1
