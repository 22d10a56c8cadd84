from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.capabilities.records.chain import draft
from gateway.capabilities.records.heads import HeadFiles, read_head, read_heads
from gateway.capabilities.records.journal import Journal, JournalError
from gateway.infrastructure.database_ledger import Ledger
from tests.capabilities.records.conftest import KEY, Shelf


def journal(shelf: Shelf, writer: str = "w1") -> Journal:
    return Journal(shelf.database, HeadFiles(shelf.heads, KEY, writer, sync=False), writer)


def noted_open(shelf: Shelf) -> set[str]:
    with Ledger(shelf.database).snapshot("acme") as snapshot:
        return snapshot.open_intents()


def test_a_batch_is_one_commit_and_its_heads_follow(shelf: Shelf) -> None:
    one = journal(shelf)
    one.commit([draft(Shelf.opened("i1")), draft(Shelf.opened("i2", "globex"))])
    assert shelf.verify().unsigned == 2
    one.sign()
    assert [read_head(read_heads(shelf.heads, tenant)["w1"], KEY.verify_key).link.seq for tenant in ("acme", "globex")] == [1, 1]
    assert shelf.verify().unsigned == 0
    one.close()


def test_only_intents_that_outlive_their_batch_are_noted_as_open(shelf: Shelf) -> None:
    one = journal(shelf)
    one.commit([draft(Shelf.opened("quick")), draft(Shelf.closed("quick")), draft(Shelf.opened("slow"))])
    assert noted_open(shelf) == {"slow"}
    one.commit([draft(Shelf.closed("slow"))])
    assert noted_open(shelf) == set()
    one.close()


def test_what_a_dead_writer_left_open_is_closed_once(shelf: Shelf) -> None:
    dead = journal(shelf)
    dead.commit([draft(Shelf.opened("i1")), draft(Shelf.opened("i2"))])
    dead.commit([draft(Shelf.closed("i2"))])
    assert [journal(shelf, writer).recover() for writer in ("w2", "w3")] == [1, 0]
    assert [row.state for row in Ledger(shelf.database).of_intent("acme", "i1") if row.kind == "closed"] == ["indeterminate"]
    assert shelf.verify().clean


def test_a_kill_between_commit_and_head_is_no_alarm(shelf: Shelf) -> None:
    killed = journal(shelf)
    killed.commit([draft(Shelf.opened("i1"))])
    report = shelf.verify()
    assert (report.clean, report.unsigned) == (True, 2)
    journal(shelf, "w2").recover()
    report = shelf.verify()
    assert (report.clean, report.unsigned) == (True, 0)


def test_a_failed_batch_leaves_the_chain_as_it_was(shelf: Shelf) -> None:
    one = journal(shelf)
    one.commit([draft(Shelf.opened("i1"))])
    away = shelf.database.path.with_suffix(".away")
    shelf.database.path.rename(away)
    with pytest.raises(JournalError):
        one.commit([draft(Shelf.opened("i2"))])
    with pytest.raises(JournalError):
        one.probe()
    away.rename(shelf.database.path)
    one.commit([draft(Shelf.closed("i1"))])
    one.probe()
    report = shelf.verify()
    assert (report.problems, report.entries, report.open, report.unsigned) == ([], 3, 0, 0)


def test_nothing_is_committed_while_heads_cannot_be_written(shelf: Shelf, tmp_path: Path) -> None:
    one = journal(shelf)
    one.commit([draft(Shelf.opened("i1"))])
    one.sign()
    shutil.rmtree(shelf.heads)
    shelf.heads.write_text("a file where the folder was")
    one.commit([draft(Shelf.closed("i1"))])
    for _ in range(2):
        with pytest.raises(JournalError):
            one.commit([draft(Shelf.opened("i2"))])
    shelf.heads.unlink()
    one.commit([draft(Shelf.opened("i3"))])
    one.sign()
    report = shelf.verify()
    assert (report.problems, report.entries, report.open) == ([], 4, 1)
    one.close()
