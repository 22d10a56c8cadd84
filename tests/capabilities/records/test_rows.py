from __future__ import annotations

from typing import Any

import pytest

from gateway.capabilities.records.chain import NO_LINK, draft, extend
from gateway.capabilities.records.rows import check_row, parse_body
from gateway.infrastructure.database_ledger import EntryRow
from tests.capabilities.records.conftest import Shelf


def rows() -> list[EntryRow]:
    entries = [Shelf.opened("i1"), Shelf.closed("i1"), Shelf.opened("i2", content=None), Shelf.closed("i2", content=None)]
    return extend([draft(entry) for entry in entries], "w1", {"acme": NO_LINK})


def test_rows_as_they_are_written_have_no_problems() -> None:
    assert [check_row(row).problems for row in rows()] == [[]] * 4


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("column", EntryRow._fields)
@pytest.mark.parametrize("value", ["text", b"bytes", b"", 77, None, 1.5])
def test_any_column_that_differs_is_a_problem(number: int, column: str, value: Any) -> None:
    row = rows()[number]
    if column == "hash" and isinstance(value, bytes):
        return  # the chain checks the hash, not the row
    if getattr(row, column) == value:
        assert check_row(row).problems == []
        return
    found = check_row(row._replace(**{column: value}))
    assert found.problems or (found.emptied and column == "salt")


def test_dropped_content_is_no_problem_of_the_row_but_has_to_be_accounted_for() -> None:
    found = check_row(rows()[0]._replace(salt=None, content=None))
    assert (found.problems, found.emptied) == ([], True)
    assert not check_row(rows()[0]).emptied


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"facts":{}}', b"\xff"])
def test_what_is_no_body_is_not_parsed(raw: bytes) -> None:
    assert parse_body(raw) is None
