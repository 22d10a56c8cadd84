from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson

from gateway.capabilities.records.chain import NO_LINK, START, Link, digest, draft, extend, genesis, link_hash, new_writer_id
from gateway.infrastructure.database_ledger import Ledger
from tests.capabilities.records.conftest import Shelf


def bodies(rows: list[Any]) -> list[dict[str, Any]]:
    return [orjson.loads(row.body) for row in rows]


def test_each_hash_covers_the_one_before_and_the_body() -> None:
    links = {"acme": NO_LINK}
    rows = extend([draft(Shelf.opened("i1")), draft(Shelf.closed("i1"))], "w1", links)
    assert [row.seq for row in rows] == [0, 1]
    assert rows[0].hash == sha256(START + rows[0].body).digest() == link_hash(START, rows[0].body)
    assert rows[1].hash == sha256(rows[0].hash + rows[1].body).digest()
    assert links == {"acme": Link(1, rows[1].hash)}


def test_each_tenant_has_a_chain_of_its_own() -> None:
    links = {"acme": NO_LINK, "globex": Link(6, b"h" * 32)}
    rows = extend([draft(Shelf.opened("i1")), draft(Shelf.opened("i2", "globex")), draft(Shelf.opened("i3"))], "w1", links)
    assert [(row.tenant, row.seq) for row in rows] == [("acme", 0), ("globex", 7), ("acme", 1)]


def test_the_body_holds_salted_digests_and_never_content() -> None:
    (row,) = extend([draft(Shelf.closed("i1"))], "w1", {"acme": NO_LINK})
    assert row.salt is not None
    (body,) = bodies([row])
    assert body["digests"] == {
        "content": sha256(row.salt + b'{"answer":"for i1"}').hexdigest(),
        "released": sha256(row.salt + b"what the caller got").hexdigest(),
    }
    assert b"answer" not in row.body
    assert len(row.salt) == 16


def test_no_two_entries_share_a_salt() -> None:
    rows = extend([draft(Shelf.opened("i1")) for _ in range(50)], "w1", {"acme": NO_LINK})
    assert len({row.salt for row in rows}) == 50


def test_an_entry_without_content_has_no_salt_and_no_expiry() -> None:
    (row,) = extend([draft(Shelf.opened("i1", content=None))], "w1", {"acme": NO_LINK})
    assert (row.salt, row.content, row.expires_ns) == (None, None, None)
    assert bodies([row])[0]["digests"] == {}


def test_a_digest_without_content_still_binds_the_salt() -> None:
    assert digest(b"one", None) == sha256(b"one").hexdigest()
    assert digest(b"one", None) != digest(b"two", None)


def test_the_body_is_canonical_json() -> None:
    (row,) = extend([draft(Shelf.opened("i1"))], "w1", {"acme": NO_LINK})
    assert orjson.dumps(orjson.loads(row.body), option=orjson.OPT_SORT_KEYS) == row.body


def test_a_beginning_binds_the_heads_that_no_other_binds_yet(shelf: Shelf) -> None:
    ledger = Ledger(shelf.database)
    seen = []
    for writer in ("w1", "w2", "w3"):
        with ledger.transaction() as transaction:
            beginning = genesis(transaction, "acme")
            seen.append([(bind["writer"], bind["seq"]) for bind in beginning.entry.facts["binds"]])
            transaction.insert(extend([beginning, draft(Shelf.opened("i"))], writer, {"acme": NO_LINK}))
    assert seen == [[], [("w1", 1)], [("w2", 1)]]
    with ledger.transaction() as transaction:
        transaction.insert(extend([draft(Shelf.opened("j"))], "w1", {"acme": Link(*(transaction.head("acme", "w1") or NO_LINK))}))
        assert {bind["writer"] for bind in genesis(transaction, "acme").entry.facts["binds"]} == {"w1", "w3"}
        assert genesis(transaction, "globex").entry.facts["binds"] == []


def test_writer_ids_sort_by_time_and_do_not_repeat() -> None:
    ids = [new_writer_id() for _ in range(100)]
    assert len(set(ids)) == 100
    assert sorted(ids, key=lambda each: each[:14]) == ids
