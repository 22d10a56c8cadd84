from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.bundle_keys import bundle_key, bundle_signer
from gateway.capabilities.policy.bundle_signature import SIGNATURES, file_hash, sign, verify
from gateway.capabilities.policy.problems import PolicyError

SECRET = b"0123456789abcdef"
KEY, SIGNER = bundle_key(SECRET), bundle_signer(SECRET)
FILES = {"intent.rego": b"package gateway.intent\n", "data.json": b'{"a": [1, 2.50]}', ".manifest": b'{"revision":"v1","roots":[""]}', "README.md": b"x"}


def signed(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {SIGNATURES: sign(files, SIGNER)}


def encoded(value: Any) -> bytes:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=")


def token(head: Any, claims: Any) -> bytes:
    message = encoded(head) + b"." + encoded(claims)
    return message + b"." + base64.urlsafe_b64encode(SIGNER.sign(message)).rstrip(b"=")


def with_token(made: bytes, **more: Any) -> dict[str, bytes]:
    return FILES | {SIGNATURES: orjson.dumps({"signatures": [made.decode()], **more})}


def claims(**more: Any) -> dict[str, Any]:
    return {"files": [{"name": name, "hash": file_hash(name, content, "SHA-256"), "algorithm": "SHA-256"} for name, content in FILES.items()], **more}


def test_files_as_they_were_signed_are_taken_and_it_is_said_how() -> None:
    assert verify(signed(FILES), KEY, "x") == "HS256, HMAC secret"
    assert verify(with_token(token({"alg": "HS256"}, claims(exp=time.time() + 60))), KEY, "x")


def test_data_may_be_written_otherwise_but_says_the_same() -> None:
    files = signed(FILES)
    assert verify(files | {"data.json": b'{ "a" :[1,2.50] }'}, KEY, "x")
    with pytest.raises(PolicyError, match=r"data\.json is not as it was signed"):
        verify(files | {"data.json": b'{"a": [1, 2.51]}'}, KEY, "x")


HEAD = {"alg": "HS256"}
REFUSED: dict[str, tuple[Callable[[], dict[str, bytes]], str]] = {
    "no signature": (lambda: FILES, "is not signed"),
    "a changed rule": (lambda: signed(FILES) | {"intent.rego": b"package gateway.intent\n\n"}, r"intent\.rego is not as it was signed"),
    "a changed manifest": (lambda: signed(FILES) | {".manifest": b'{"revision":"v2","roots":[""]}'}, "manifest is not as it was signed"),
    "another file": (lambda: signed(FILES) | {"answer.rego": b""}, r"answer\.rego is not among the files"),
    "a file less": (lambda: {name: content for name, content in signed(FILES).items() if name != "README.md"}, "is not in the bundle"),
    "broken data": (lambda: signed(FILES) | {"data.json": b"{"}, r"data\.json cannot be read"),
    "no JSON": (lambda: FILES | {SIGNATURES: b"x"}, "not JSON"),
    "no object": (lambda: FILES | {SIGNATURES: b"[]"}, "not a JSON object"),
    "no tokens": (lambda: FILES | {SIGNATURES: b'{"signatures": []}'}, "exactly one"),
    "two tokens": (lambda: FILES | {SIGNATURES: b'{"signatures": ["a", "b"]}'}, "exactly one"),
    "another plugin": (lambda: with_token(token(HEAD, claims()), plugin="mine"), "exactly one"),
    "no JWT": (lambda: with_token(b"abc"), "not a JWT"),
    "no base64": (lambda: with_token(b"!.!.!"), "not a JWT"),
    "no algorithm": (lambda: with_token(token({}, claims())), "not signed with an algorithm"),
    "alg none": (lambda: with_token(encoded({"alg": "none"}) + b"." + encoded(claims()) + b"."), "not signed with an algorithm"),
    "another algorithm": (lambda: with_token(token({"alg": "EdDSA"}, claims())), "not signed with an algorithm"),
    "another hash": (lambda: with_token(token({"alg": "HS512"}, claims())), "not of policy.bundle_key"),
    "critical extensions": (lambda: with_token(token({"alg": "HS256", "crit": ["b64"]}, claims())), "not of policy.bundle_key"),
    "changed claims": (lambda: with_token(token(HEAD, claims())[:-4] + b"AAAA"), "not of policy.bundle_key"),
    "a scope": (lambda: with_token(token(HEAD, claims(scope="write"))), "scope"),
    "expired": (lambda: with_token(token(HEAD, claims(exp=1))), "expired"),
    "no time": (lambda: with_token(token(HEAD, claims(exp="never"))), "expired"),
    "no files": (lambda: with_token(token(HEAD, {})), "is not among the files"),
    "odd files": (lambda: with_token(token(HEAD, {"files": [1]})), "does not say which files"),
    "a weak hash": (lambda: with_token(token(HEAD, {"files": [{"name": "intent.rego", "hash": "00", "algorithm": "MD5"}]})), "a hash that is none of"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_signed_as_it_has_to_be_is_refused_with_the_reason(case: str) -> None:
    make, said = REFUSED[case]
    with pytest.raises(PolicyError, match=said) as caught:
        verify(make(), KEY, "bundle.tar.gz")
    assert str(caught.value).startswith("bundle.tar.gz: ")


def test_another_key_does_not_verify() -> None:
    with pytest.raises(PolicyError, match="not of policy"):
        verify(signed(FILES), bundle_key(b"another-secret-of-16"), "x")


@given(st.binary(max_size=300))
def test_random_signatures_are_refused_and_nothing_else(content: bytes) -> None:
    with pytest.raises(PolicyError):
        verify(FILES | {SIGNATURES: content}, KEY, "x")


@given(st.lists(st.sampled_from(["a", ".", "e30", "eyJhbGciOiJIUzI1NiJ9", "=", "\u00e9"]), max_size=8))
def test_random_tokens_are_refused_and_nothing_else(parts: list[str]) -> None:
    with pytest.raises(PolicyError):
        verify(FILES | {SIGNATURES: orjson.dumps({"signatures": ["".join(parts)]})}, KEY, "x")


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("data.json", b'{"b":1,"a":{"d":[],"c":{}}}', b' {"a": {"c": {}, "d": []}, "b": 1}'),
        ("x/data.yaml", b"a: 1.0\nb: [true, null, x]\n", b'{"b": [true, null, "x"], "a": 1}'),
        ("data.yml", b"a: 0.0000001\nb: 100000000000000.5\n", b'{"a": 1e-7, "b": 100000000000000.5}'),
        (".manifest", b'{"revision": "\\u00e9"}', '{"revision":"é"}'.encode()),
    ],
)
def test_documents_that_say_the_same_have_the_same_hash(name: str, one: bytes, other: bytes) -> None:
    assert file_hash(name, one, "SHA-256") == file_hash(name, other, "SHA-256")
    assert file_hash("a.rego", one, "SHA-512") != file_hash("a.rego", other, "SHA-512")
