from __future__ import annotations

from pathlib import Path

from gateway.capabilities.policy.contract_schemas import FILES
from tests.linters.contract_files import BEGIN, DOCUMENT, END, FOLDER, check, files, input_table, renewed, tables, verdict_table


def tree(root: Path) -> Path:
    (root / FOLDER).mkdir(parents=True)
    for name, text in files().items():
        (root / FOLDER / FILES[name]).write_text(text)
    places = "\n".join(f"{BEGIN.format(name)}\n{END.format(name)}" for name in tables())
    (root / DOCUMENT).parent.mkdir()
    (root / DOCUMENT).write_text(renewed(places))
    return root


def test_what_the_code_says_passes(tmp_path: Path) -> None:
    assert check(tree(tmp_path)) == []


def test_a_schema_or_table_that_is_not_what_the_code_says_is_found(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / FOLDER / "intent.json").write_text("{}")
    (root / FOLDER / "more.json").write_text("{}")
    (root / DOCUMENT).write_text((root / DOCUMENT).read_text().replace("The tenant of the key.", "The tenant."))
    assert check(root) == [
        "gateway/contract/intent.json: is not what the code says; run `make format`",
        "gateway/contract/more.json: is no schema of the contract",
        "docs/policy.md: is not what the code says; run `make format`",
    ]


def test_a_document_without_a_place_for_a_table_is_found(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / DOCUMENT).write_text("nothing")
    assert [line.partition(" (")[0] for line in check(root)] == [f"docs/policy.md: has no place for the table {name}" for name in tables()]


def test_rows_tell_type_hook_and_meaning() -> None:
    assert "| `subject.on_behalf_of` | text or null | both | For whom it acts; null while keys act for themselves. |" in input_table()
    assert "| `findings[].count` | whole number | both | How many. |" in input_table()
    assert "| `obligations.retention_days` | whole number from 1 to 36500 | intent | How many days the record keeps its content. |" in verdict_table()
