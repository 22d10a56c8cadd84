from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.keys import Key, KeyRing, KeyStore, hash_key
from gateway.errors import RecordUnavailable, Unauthenticated
from gateway.infrastructure.database import Database, DatabaseError
from gateway.settings import Secret
from tests.servers.postgres_fixtures import Outage

SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def database(address: Path | Secret) -> Database:
    database = Database(address)
    database.prepare()
    return database


@pytest.fixture
def store(database: Database) -> KeyStore:
    return KeyStore(database, SECRET)


@pytest.fixture
def ring(database: Database) -> Iterator[KeyRing]:
    ring = KeyRing(database, SECRET, poll_s=0.01)
    ring.start()
    yield ring
    ring.close()


def create(store: KeyStore, **fields: object) -> tuple[str, Key]:
    base: dict[str, object] = {"tenant": "acme", "name": "", "teams": (), "roles": (), "routes": (), "expires_ns": None}
    return store.create(**{**base, **fields})  # type: ignore[arg-type]  # a table of cases


def rejection(ring: KeyRing, raw: str) -> tuple[str, str]:
    with pytest.raises(Unauthenticated) as caught:
        ring.identify(raw)
    return caught.value.reason_code, caught.value.message


def test_a_key_stands_for_its_tenant_teams_roles_and_routes(store: KeyStore, ring: KeyRing) -> None:
    raw, key = create(store, teams=("support",), roles=("operator", "anything"), routes=("assistant",))
    ring.refresh()
    subject = ring.identify(raw)
    assert (subject.id, subject.kind, subject.tenant, subject.teams) == (key.id, "key", "acme", ("support",))
    assert (subject.roles, subject.routes) == (("operator", "anything"), ("assistant",))


def test_a_key_without_routes_may_use_all(store: KeyStore, ring: KeyRing) -> None:
    raw, _ = create(store)
    ring.refresh()
    assert ring.identify(raw).routes == ("*",)


def test_the_database_holds_a_keyed_hash_and_not_the_key(tmp_path: Path) -> None:
    database = Database(tmp_path / "g.db")
    database.prepare()
    raw, _ = create(KeyStore(database, SECRET))
    database.wipe_freed()
    stored = (tmp_path / "g.db").read_bytes()
    assert raw.encode() not in stored
    assert raw.rsplit("_", 1)[1].encode() not in stored
    assert hash_key(SECRET, raw) in stored


def test_every_rejection_has_the_same_words_and_its_own_reason(store: KeyStore, ring: KeyRing) -> None:
    good, _ = create(store)
    expired, _ = create(store, expires_ns=time.time_ns() - 1)
    revoked, revoked_key = create(store)
    store.revoke("acme", revoked_key.id)
    ring.refresh()
    cases = {
        "": "missing",
        "sk-something-else": "malformed",
        "gw_": "malformed",
        "gw__secret": "malformed",
        "gw_id_": "malformed",
        good + "é": "malformed",
        good + "\ud800": "malformed",
        good + "x" * 1_000_000: "malformed",
        "gw_nosuchkey123_" + "x" * 43: "unknown",
        good + "x": "unknown",
        good[:-1]: "unknown",
        good.upper(): "malformed",
        expired: "expired",
        revoked: "revoked",
        revoked[:-1]: "unknown",
    }
    found = {raw: rejection(ring, raw) for raw in cases}
    assert {raw: reason for raw, (reason, _) in found.items()} == cases
    assert len({message for _, message in found.values()}) == 1


@given(st.text(max_size=200))
def test_no_text_gets_in_or_breaks_anything(raw: str) -> None:
    ring = KeyRing(Database(Path("nowhere.db")), SECRET, grace_s=float("inf"))
    with pytest.raises(Unauthenticated):
        ring.identify(raw)


def test_a_change_by_another_process_arrives_by_itself(store: KeyStore, ring: KeyRing) -> None:
    raw, key = create(store)
    _until(lambda: ring.identify(raw).tenant == "acme")
    assert store.revoke("acme", key.id)
    _until(lambda: rejection(ring, raw)[0] == "revoked")


def test_keys_stay_good_for_the_grace_and_then_all_calls_are_refused_until_the_table_is_back(store: KeyStore, database: Database, outage: Outage) -> None:
    raw, _ = create(store)
    ring = KeyRing(database, SECRET, poll_s=0.01, grace_s=0.2)
    ring.start()
    with outage():
        assert ring.identify(raw).tenant == "acme"
        _until(lambda: _unavailable(ring, raw))
    _until(lambda: not _unavailable(ring, raw))
    ring.close()
    assert ring.identify(raw).tenant == "acme"


def test_a_ring_does_not_start_without_its_table(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError):
        KeyRing(Database(tmp_path / "none.db"), SECRET).start()


def test_another_tenant_neither_lists_nor_revokes_a_key(store: KeyStore) -> None:
    _, key = create(store)
    assert store.of_tenant("globex") == []
    assert not store.revoke("globex", key.id)
    assert [each.state(time.time_ns()) for each in store.of_tenant("acme")] == ["active"]


def _unavailable(ring: KeyRing, raw: str) -> bool:
    try:
        ring.identify(raw)
    except RecordUnavailable as error:
        return error.reason_code == "keys_unavailable"
    return False


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            if condition():
                return
        except (Unauthenticated, pytest.fail.Exception):
            pass
        assert time.monotonic() < deadline
        time.sleep(0.005)
