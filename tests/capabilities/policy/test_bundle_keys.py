from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.capabilities.policy.bundle_keys import bundle_key, bundle_signer

Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey | ed448.Ed448PrivateKey
RSA = rsa.generate_private_key(65_537, 2_048)
KEYS: dict[str, Private] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "RS256": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
}
SECRET = b"0123456789abcdef"


def private(key: Private, password: bytes = b"") -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password) if password else NoEncryption())


def public(key: Private) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("algorithm", KEYS)
def test_what_a_private_key_signs_its_public_half_verifies(algorithm: str) -> None:
    signer, key = bundle_signer(private(KEYS[algorithm])), bundle_key(public(KEYS[algorithm]))
    signature = signer.sign(b"message")
    assert signer.algorithm == algorithm
    assert key.verifies(algorithm, b"message", signature)
    assert not key.verifies(algorithm, b"another", signature)
    assert not key.verifies(algorithm, b"message", signature[:-1])
    assert not key.verifies(algorithm, b"message", b"\0" * len(signature))
    assert not key.verifies("none", b"message", b"")
    assert len(key.id) == 16


def test_a_shared_secret_signs_and_verifies_and_is_not_shown() -> None:
    key = bundle_key(SECRET)
    signature = bundle_signer(SECRET).sign(b"message")
    assert key.verifies("HS256", b"message", signature)
    assert not key.verifies("HS512", b"message", signature)
    assert not key.verifies("HS256", b"another", signature)
    assert str(key) == "HMAC secret"


def test_no_algorithm_can_be_chosen_for_a_key_of_another_kind() -> None:
    """A public key is known to everybody: as the secret of an HMAC it would let everybody sign."""
    forged = bundle_signer(b"x" * 16).sign
    pem = public(RSA)
    assert bundle_key(pem).algorithms.isdisjoint({"HS256", "HS384", "HS512", "EdDSA", "ES256", "none"})
    assert not bundle_key(pem).verifies("HS256", b"message", forged(b"message"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: b"short", "less than 16 bytes"),
        (lambda: private(KEYS["EdDSA"]), "is a private key"),
        (lambda: b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "not a public key"),
        (lambda: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "not a public key"),
        (lambda: public(rsa.generate_private_key(65_537, 1_024)), "less than 2048 bits"),
        (lambda: public(ec.generate_private_key(ec.SECP256K1())), "of a kind"),
        (lambda: public(ed448.Ed448PrivateKey.generate()), "of a kind"),
    ],
)
def test_a_key_that_nothing_can_be_verified_with_is_refused_with_the_reason(make: Callable[[], bytes], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bundle_key(make())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: b"short", "less than 16 bytes"),
        (lambda: public(RSA), "not a private key"),
        (lambda: private(RSA, b"password"), "without a password"),
        (lambda: private(rsa.generate_private_key(65_537, 1_024)), "less than 2048 bits"),
        (lambda: private(dsa.generate_private_key(2_048)), "of a kind"),
    ],
)
def test_a_key_that_nothing_can_be_signed_with_is_refused_with_the_reason(make: Callable[[], bytes], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bundle_signer(make())
