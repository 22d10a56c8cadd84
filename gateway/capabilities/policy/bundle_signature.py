"""The signature of a bundle, in OPA's format: ``.signatures.json`` holds one JWT that names every file with its hash.

https://www.openpolicyagent.org/docs/latest/management-bundles/#signing
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, Final

import orjson

from gateway.capabilities.policy.bundle_manifest import MANIFEST
from gateway.capabilities.policy.bundle_trust import BundleKey, BundleSigner
from gateway.capabilities.policy.data_document import read_yaml
from gateway.capabilities.policy.problems import PolicyError, Problem

SIGNATURES: Final = ".signatures.json"
KEY_ID: Final = "default"
"""What OPA calls a key that was given no name."""
_HASHES: Final = {"SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512", "SHA-512-256": "sha512_256"}
"""OPA also knows MD5, SHA-1 and the halves of these: they are broken, or used by nobody."""
_STRUCTURED: Final = frozenset({MANIFEST, "data.json", "data.yaml", "data.yml"})
"""Hashed by what they say, not by how they are written."""
_HINT: Final = "sign it with `gateway policy build --sign` or `opa build --signing-key`, with the key that belongs to policy.bundle_key"


class _SignatureError(Exception):
    """What is wrong with the signature."""


class _Number(str):
    """A number as it is written: the hash takes it so."""

    __slots__ = ()


def verify(files: Mapping[str, bytes], key: BundleKey, place: str) -> str:
    """Make sure that exactly these files were signed with ``key``; how, in words (``EdDSA, Ed25519 key 0123...``).

    Raises:
        PolicyError: There is no signature, it is not of this key, or the files are not those that were signed.
    """
    try:
        algorithm, claims = _token(_only_token(files), key)
        _compare({name: content for name, content in files.items() if name != SIGNATURES}, _signed(claims))
    except _SignatureError as fault:
        raise PolicyError([Problem(place, 0, 0, str(fault), _HINT)]) from None
    return f"{algorithm}, {key}"


def sign(files: Mapping[str, bytes], signer: BundleSigner) -> bytes:
    """The content of ``.signatures.json`` for these files."""
    claims = {"files": [{"name": name, "hash": file_hash(name, content, "SHA-256"), "algorithm": "SHA-256"} for name, content in sorted(files.items())]}
    head = {"alg": signer.algorithm, "kid": KEY_ID, "typ": "JWT"}
    message = b".".join(_encode(orjson.dumps(part)) for part in (head, claims | {"keyid": KEY_ID}))
    token = message + b"." + _encode(signer.sign(message))
    return orjson.dumps({"signatures": [token.decode()], "plugin": "_default"}, option=orjson.OPT_INDENT_2)


def file_hash(name: str, content: bytes, algorithm: str) -> str:
    """The hash of a file as OPA makes it, in hexadecimal.

    Raises:
        ValueError: A manifest or data document that cannot be read.
    """
    digest = hashlib.new(_HASHES[algorithm])
    if PurePosixPath(name).name in _STRUCTURED:
        for part in _canonical(_structure(name, content)):
            digest.update(part.encode())
    else:
        digest.update(content)
    return digest.hexdigest()


def _only_token(files: Mapping[str, bytes]) -> str:
    if SIGNATURES not in files:
        raise _SignatureError(f"the bundle is not signed: it has no {SIGNATURES}")
    found = _object(files[SIGNATURES], SIGNATURES)
    tokens = found.get("signatures")
    if found.get("plugin", "_default") not in {"", "_default"} or not isinstance(tokens, list) or len(tokens) != 1 or not isinstance(tokens[0], str):
        raise _SignatureError(f"{SIGNATURES} must hold exactly one signature, by OPA's own plugin")
    return tokens[0]


def _token(token: str, key: BundleKey) -> tuple[str, Mapping[str, Any]]:
    """The algorithm and the claims of a JWT that is ``key``'s."""
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii():
        raise _SignatureError("the signature is not a JWT")
    head = _object(_decode(parts[0]), "the signature's header")
    algorithm = head.get("alg")
    if not isinstance(algorithm, str) or algorithm not in key.algorithms:
        raise _SignatureError(f"the bundle is not signed with an algorithm of policy.bundle_key ({', '.join(sorted(key.algorithms))})")
    if "crit" in head or not key.verifies(algorithm, f"{parts[0]}.{parts[1]}".encode(), _decode(parts[2])):
        raise _SignatureError("the signature is not of policy.bundle_key")
    claims = _object(_decode(parts[1]), "the signature's claims")
    if claims.get("scope"):
        raise _SignatureError("the bundle is signed for a scope, which this gateway has none of")
    expires = claims.get("exp", time.time() + 1)
    if not isinstance(expires, (int, float)) or expires <= time.time():
        raise _SignatureError("the signature has expired")
    return algorithm, claims


def _signed(claims: Mapping[str, Any]) -> Mapping[str, tuple[str, str]]:
    """Hash and algorithm by name of what was signed."""
    found: dict[str, tuple[str, str]] = {}
    entries = claims.get("files")
    for entry in entries if isinstance(entries, list) else ():
        name, digest, algorithm = (entry.get(field) for field in ("name", "hash", "algorithm")) if isinstance(entry, dict) else (None, None, None)
        if not isinstance(name, str) or not isinstance(digest, str) or not isinstance(algorithm, str):
            raise _SignatureError("the signature does not say which files it is for")
        if algorithm not in _HASHES:
            raise _SignatureError(f"the signature has a hash that is none of {', '.join(_HASHES)}")
        found[name.removeprefix("/")] = (digest, algorithm)
    return found


def _compare(files: Mapping[str, bytes], signed: Mapping[str, tuple[str, str]]) -> None:
    extra, gone = sorted(files.keys() - signed.keys()), sorted(signed.keys() - files.keys())
    if extra:
        raise _SignatureError(f"{extra[0]} is not among the files that were signed")
    if gone:
        raise _SignatureError("a file that was signed is not in the bundle")
    for name, (digest, algorithm) in signed.items():
        try:
            found = file_hash(name, files[name], algorithm)
        except ValueError:
            raise _SignatureError(f"{name} cannot be read") from None
        if not hmac.compare_digest(found.encode(), digest.lower().encode()):
            raise _SignatureError(f"{name} is not as it was signed")


def _object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise _SignatureError(f"{what} is not JSON") from None
    if not isinstance(found, dict):
        raise _SignatureError(f"{what} is not a JSON object")
    return found


def _encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _SignatureError("the signature is not a JWT") from None


def _structure(name: str, content: bytes) -> Any:
    """The value of a manifest or data document, with numbers as they are written. OPA turns YAML into JSON first, where Go writes the numbers."""
    text = content.decode()
    try:
        return json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_refused)
    except RecursionError:
        raise ValueError(name) from None
    except json.JSONDecodeError:
        if not name.endswith((".yaml", ".yml")):
            raise
    problems: list[Problem] = []
    value = read_yaml(name, text, problems)
    if problems:
        raise ValueError(name)
    return value


def _refused(text: str) -> Any:
    raise ValueError(text)


def _canonical(value: Any) -> Iterator[str]:
    """The pieces of a value's canonical form: keys sorted by their bytes, no white space."""
    if isinstance(value, dict):
        yield "{"
        for number, key in enumerate(sorted(value, key=lambda key: key.encode("utf-8", "surrogatepass"))):
            yield from ("," * (number > 0), _text(key), ":")
            yield from _canonical(value[key])
        yield "}"
    elif isinstance(value, list):
        yield "["
        for number, item in enumerate(value):
            yield "," * (number > 0)
            yield from _canonical(item)
        yield "]"
    else:
        yield _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    """A string as Go's JSON writes it: as Python does, but for two line ends of Unicode, and for what is half a character."""
    whole = re.sub("[\ud800-\udfff]", "\ufffd", text)
    return json.dumps(whole, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _float(value: float) -> str:
    """A number as Go's JSON writes it: plain from 1e-6 to 1e21, else with an exponent of no leading zero."""
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        plain = format(Decimal(repr(value)), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    digits, _, exponent = repr(value).partition("e")
    return f"{digits.removesuffix('.0')}e{exponent[0]}{exponent[1:].lstrip('0')}"
