from __future__ import annotations

import pytest

from gateway.capabilities.records.signing import SigningKey, VerifyKey


def test_the_public_half_verifies_what_the_private_half_signed() -> None:
    key = SigningKey(bytes(range(32)))
    signature = key.sign(b"message")
    assert key.verify_key.verifies(b"message", signature)
    assert not key.verify_key.verifies(b"massage", signature)
    assert not SigningKey(bytes(32)).verify_key.verifies(b"message", signature)
    assert not key.verify_key.verifies(b"message", b"short")


def test_a_public_key_is_read_as_it_is_written() -> None:
    key = SigningKey(bytes(range(32))).verify_key
    assert VerifyKey.from_text(f" {key.encoded()}\n").public == key.public
    assert VerifyKey.from_text(key.encoded()).id == key.id


@pytest.mark.parametrize("text", ["", "AAAA", "not base64 at all!", "é" * 44, "A" * 64])
def test_anything_else_is_no_public_key_and_is_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes in base64") as caught:
        VerifyKey.from_text(text)
    assert not text or text not in str(caught.value)
