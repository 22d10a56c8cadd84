"""The keys that bundles are signed and checked with: RSA, elliptic curves and Ed25519 from PEM, or a shared secret for HMAC.

A key knows the algorithms that it may be used with, so that no token can choose another for it (RFC 8725, section 3.1).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from gateway.capabilities.policy.bundle_trust import BundleKey, BundleSigner, Check

MIN_RSA_BITS: Final = 2_048
MIN_SECRET_BYTES: Final = 16
_HASHES: Final = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES: Final = {"secp256r1": ("ES256", 32, "256"), "secp384r1": ("ES384", 48, "384"), "secp521r1": ("ES512", 66, "512")}
"""Name of the curve: its algorithm, the bytes of a coordinate and the hash (RFC 7518, section 3.4)."""
_HMAC: Final = frozenset({"HS256", "HS384", "HS512"})
_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})

_Public: TypeAlias = "rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey"


def bundle_key(raw: bytes) -> BundleKey:
    """The key that ``raw`` is: a public key or certificate in PEM, else a shared secret.

    Raises:
        ValueError: It is a private key, too weak, damaged or of another kind; says which, and quotes nothing.
    """
    if not raw.lstrip().startswith(b"-----BEGIN"):
        return BundleKey(kind="HMAC", id="", algorithms=_HMAC, check=_hmac_check(_secret(raw)))
    if b"PRIVATE KEY-----" in raw:
        raise ValueError("is a private key; give the public half: openssl pkey -pubout")
    try:
        public = load_pem_x509_certificate(raw).public_key() if b"BEGIN CERTIFICATE" in raw else load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is not a public key in PEM") from None
    return _of_public(public)


def bundle_signer(raw: bytes) -> BundleSigner:
    """The signer that ``raw`` is: a private key in PEM (Ed25519: EdDSA, RSA: RS256, a curve: its own), else a shared secret (HS256).

    Raises:
        ValueError: It is no private key, encrypted, too weak, damaged or of another kind; says which, and quotes nothing.
    """
    if not raw.lstrip().startswith(b"-----BEGIN"):
        secret = _secret(raw)
        return BundleSigner(algorithm="HS256", sign=lambda message: hmac.digest(secret, message, "sha256"))
    try:
        private = load_pem_private_key(raw, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("is not a private key in PEM without a password") from None
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return BundleSigner(algorithm="EdDSA", sign=private.sign)
    if isinstance(private, rsa.RSAPrivateKey):
        _of_public(private.public_key())
        return BundleSigner(algorithm="RS256", sign=lambda message: private.sign(message, padding.PKCS1v15(), hashes.SHA256()))
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _CURVES:
        return _curve_signer(private)
    raise ValueError("is of a kind that bundles are not signed with")


def _of_public(public: object) -> BundleKey:
    if isinstance(public, ed25519.Ed25519PublicKey):
        return BundleKey(
            kind="Ed25519", id=_id(public), algorithms=frozenset({"EdDSA"}), check=_plain(lambda _, message, signature: public.verify(signature, message))
        )
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < MIN_RSA_BITS:
            raise ValueError(f"is an RSA key of less than {MIN_RSA_BITS} bits")
        return BundleKey(kind="RSA", id=_id(public), algorithms=_RSA, check=_plain(_rsa_check(public)))
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
        return BundleKey(kind="EC", id=_id(public), algorithms=frozenset({_CURVES[public.curve.name][0]}), check=_plain(_curve_check(public)))
    raise ValueError("is of a kind that bundles are not signed with")


def _plain(check: Check) -> Check:
    """``check`` without the library's own exception."""

    def checked(algorithm: str, message: bytes, signature: bytes) -> None:
        try:
            check(algorithm, message, signature)
        except InvalidSignature:
            raise ValueError("another signature") from None

    return checked


def _secret(raw: bytes) -> bytes:
    if len(raw) < MIN_SECRET_BYTES:
        raise ValueError(f"has less than {MIN_SECRET_BYTES} bytes; a shared secret needs as many")
    return raw


def _id(public: _Public) -> str:
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()[:16]


def _hmac_check(secret: bytes) -> Check:
    def check(algorithm: str, message: bytes, signature: bytes) -> None:
        if not hmac.compare_digest(hmac.digest(secret, message, f"sha{algorithm[2:]}"), signature):
            raise ValueError("another signature")

    return check


def _rsa_check(public: rsa.RSAPublicKey) -> Check:
    def check(algorithm: str, message: bytes, signature: bytes) -> None:
        digest = _HASHES[algorithm[2:]]
        pad = padding.PSS(padding.MGF1(digest), padding.PSS.AUTO) if algorithm.startswith("PS") else padding.PKCS1v15()
        public.verify(signature, message, pad, digest)

    return check


def _curve_check(public: ec.EllipticCurvePublicKey) -> Check:
    _, size, digest = _CURVES[public.curve.name]

    def check(algorithm: str, message: bytes, signature: bytes) -> None:  # noqa: ARG001 - a curve has one algorithm
        if len(signature) != 2 * size:
            raise ValueError("another signature")
        whole = encode_dss_signature(int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))
        public.verify(whole, message, ec.ECDSA(_HASHES[digest]))

    return check


def _curve_signer(private: ec.EllipticCurvePrivateKey) -> BundleSigner:
    algorithm, size, digest = _CURVES[private.curve.name]

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(_HASHES[digest])))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return BundleSigner(algorithm=algorithm, sign=sign)
