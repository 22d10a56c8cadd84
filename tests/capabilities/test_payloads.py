from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.payloads import ANSWER, CALL, CONTEXT, DRAFT, PayloadKeys
from gateway.errors import PayloadUnavailable

FIRST, SECOND = b"first secret of a tenant, 32 byte", b"second secret of a tenant, 32 by"
KEYS = PayloadKeys({"acme": [FIRST], "globex": [FIRST], "bare": []})


@given(st.binary(max_size=300), st.text(max_size=40), st.sampled_from([CALL, DRAFT, CONTEXT, ANSWER]))
def test_what_was_sealed_opens_and_nothing_of_it_shows(plain: bytes, intent_id: str, kind: str) -> None:
    key_id, sealed = KEYS.seal("acme", intent_id, kind, plain)
    assert KEYS.open("acme", intent_id, kind, key_id, sealed) == plain
    assert len(sealed) == len(plain) + 12 + 16
    assert len(plain) < 4 or plain not in sealed


def test_the_same_content_is_sealed_differently_each_time() -> None:
    assert len({KEYS.seal("acme", "int_1", CALL, b"the same")[1] for _ in range(100)}) == 100


def test_a_flipped_byte_is_refused_wherever_it_is() -> None:
    key_id, sealed = KEYS.seal("acme", "int_1", CALL, b'{"model": "support"}')
    for at in range(len(sealed)):
        for mask in (0x01, 0x80, 0xFF):
            flipped = sealed[:at] + bytes([sealed[at] ^ mask]) + sealed[at + 1 :]
            with pytest.raises(PayloadUnavailable, match="changed or damaged"):
                KEYS.open("acme", "int_1", CALL, key_id, flipped)


def test_what_was_cut_or_grew_is_refused() -> None:
    key_id, sealed = KEYS.seal("acme", "int_1", CALL, b"payload")
    for wrong in [sealed[:length] for length in range(len(sealed))] + [sealed + b"\0", b"\0" + sealed]:
        with pytest.raises(PayloadUnavailable, match="call of intent int_1"):
            KEYS.open("acme", "int_1", CALL, key_id, wrong)


@pytest.mark.parametrize(
    ("tenant", "intent_id", "kind"),
    [("globex", "int_1", CALL), ("acme", "int_2", CALL), ("acme", "int_1", DRAFT), ("acme", "int_1call", ""), ("acmeint_1", "", CALL), ("acm", "eint_1", CALL)],
)
def test_a_row_does_not_stand_in_for_another_even_under_the_same_secret(tenant: str, intent_id: str, kind: str) -> None:
    keys = PayloadKeys({each: [FIRST] for each in ("acme", "globex", "acmeint_1", "acm")})
    key_id, sealed = keys.seal("acme", "int_1", CALL, b"payload")
    with pytest.raises(PayloadUnavailable):
        keys.open(tenant, intent_id, kind, key_id, sealed)


@given(st.tuples(st.text(max_size=8), st.text(max_size=8)), st.tuples(st.text(max_size=8), st.text(max_size=8)))
def test_no_two_places_are_one(one: tuple[str, str], other: tuple[str, str]) -> None:
    key_id, sealed = KEYS.seal("acme", *one, b"payload")
    if one == other:
        assert KEYS.open("acme", *other, key_id, sealed) == b"payload"
    else:
        with pytest.raises(PayloadUnavailable):
            KEYS.open("acme", *other, key_id, sealed)


def test_older_keys_still_open_and_the_current_one_seals() -> None:
    before, after = PayloadKeys({"acme": [FIRST]}), PayloadKeys({"acme": [SECOND, FIRST]})
    old, new = before.seal("acme", "int_1", CALL, b"payload"), after.seal("acme", "int_1", CALL, b"payload")
    assert old[0] != new[0]
    assert [after.open("acme", "int_1", CALL, *each) for each in (old, new)] == [b"payload"] * 2
    with pytest.raises(PayloadUnavailable):
        before.open("acme", "int_1", CALL, *new)


def test_a_missing_key_is_named_and_where_it_belongs() -> None:
    key_id, sealed = PayloadKeys({"acme": [FIRST]}).seal("acme", "int_1", DRAFT, b"payload")
    for keys in (PayloadKeys({"acme": [SECOND]}), PayloadKeys({}), PayloadKeys({"acme": [], "globex": [FIRST]})):
        with pytest.raises(PayloadUnavailable) as caught:
            keys.open("acme", "int_1", DRAFT, key_id, sealed)
        assert all(part in caught.value.message for part in (key_id, "int_1", "`tenants.acme.payload_key`", "`tenants.acme.older_payload_keys`"))


def test_a_key_id_of_another_secret_does_not_open() -> None:
    keys = PayloadKeys({"acme": [SECOND, FIRST]})
    _, sealed = PayloadKeys({"acme": [FIRST]}).seal("acme", "int_1", CALL, b"payload")
    current, _ = keys.seal("acme", "int_1", CALL, b"")
    with pytest.raises(PayloadUnavailable, match="changed or damaged"):
        keys.open("acme", "int_1", CALL, current, sealed)


@pytest.mark.parametrize("tenant", ["bare", "unknown"])
def test_a_tenant_without_a_key_keeps_nothing_and_is_told_what_to_configure(tenant: str) -> None:
    assert not KEYS.has(tenant)
    assert KEYS.has("acme")
    with pytest.raises(PayloadUnavailable, match=f"`tenants.{tenant}.payload_key`"):
        KEYS.seal(tenant, "int_1", CALL, b"")
    with pytest.raises(PayloadUnavailable, match=f"`tenants.{tenant}.payload_key`"):
        KEYS.mac(tenant, b"")
    assert not KEYS.is_mac(tenant, "0" * 16, b"", b"")


def test_an_empty_secret_is_no_key() -> None:
    with pytest.raises(ValueError, match="'acme' is empty"):
        PayloadKeys({"acme": [FIRST, b""]})


def test_the_format_is_the_documented_one_so_that_what_is_stored_stays_readable() -> None:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"gateway.payloads/v1").derive(FIRST)
    key_id = hashlib.sha256(b"gateway.payloads/v1/key-id\n" + key).hexdigest()[:16]
    place = b"gateway.payloads/v1" + b"".join(len(part).to_bytes(4, "big") + part for part in (b"acme", b"int_1", b"call", key_id.encode()))
    sealed = bytes(12) + AESGCM(key).encrypt(bytes(12), b"payload", place)
    assert KEYS.open("acme", "int_1", CALL, key_id, sealed) == b"payload"


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_a_mac_is_that_of_one_message_and_tenant_key(message: bytes, other: bytes) -> None:
    keys = PayloadKeys({"acme": [SECOND, FIRST], "globex": [b"another tenant's"]})
    key_id, mac = keys.mac("acme", message)
    assert keys.is_mac("acme", key_id, message, mac)
    assert keys.is_mac("acme", key_id, other, mac) is (message == other)
    assert not keys.is_mac("globex", key_id, message, mac)
    older_id, older = PayloadKeys({"acme": [FIRST]}).mac("acme", message)
    assert keys.is_mac("acme", older_id, message, older)
    assert not keys.is_mac("acme", older_id, message, mac)
    for at in range(len(mac)):
        assert not keys.is_mac("acme", key_id, message, mac[:at] + bytes([mac[at] ^ 1]) + mac[at + 1 :])


def test_what_authenticates_is_not_what_encrypts() -> None:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"gateway.payloads/v1").derive(FIRST)
    assert KEYS.mac("acme", b"message")[1] != hmac.digest(key, b"message", "sha256")
