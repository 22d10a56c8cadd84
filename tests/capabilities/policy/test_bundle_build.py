from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from gateway.capabilities.policy.bundle import load_bundle, read_bundle
from gateway.capabilities.policy.bundle_archive import unpack
from gateway.capabilities.policy.bundle_build import build
from gateway.capabilities.policy.bundle_keys import bundle_key, bundle_signer
from gateway.capabilities.policy.bundle_manifest import Manifest
from gateway.capabilities.policy.problems import PolicyError
from tests.capabilities.policy.conftest import Write

SECRET = b"0123456789abcdef"


def test_a_folder_and_its_bundle_have_one_revision_and_the_same_bytes_each_time(write: Write) -> None:
    folder = write(
        {"a.rego": "package c\n\nx := 1\n", "a/b.rego": "package c.b\n\nx := 1\n", "a/data.yaml": "t: {x: 1.50}\n", "intent_test.rego": "package t\n"}
    )
    built = build(folder)
    assert build(folder).content == built.content
    assert built.bundle.revision == load_bundle(folder).revision == built.bundle.manifest.revision
    assert built.bundle.data == {"a": {"t": {"x": 1.5}}}
    assert list(built.bundle.tests) == ["intent_test.rego"]
    assert orjson.loads(unpack(built.content, "x")[".manifest"])["rego_version"] == 1


def test_the_authors_revision_and_roots_stand_in_the_manifest(write: Write) -> None:
    built = build(write(), revision="v1.2", roots=["gateway"])
    assert built.bundle.manifest == Manifest(revision="v1.2", roots=("gateway",))


def test_a_bundle_that_is_signed_is_taken_by_who_has_the_key_alone(write: Write) -> None:
    content = build(write(), signer=bundle_signer(SECRET)).content
    assert read_bundle(content, Path("x"), bundle_key(SECRET)).signed == "HS256, HMAC secret"
    assert not read_bundle(content, Path("x")).signed
    with pytest.raises(PolicyError, match="not of policy"):
        read_bundle(content, Path("x"), bundle_key(SECRET * 2))


@pytest.mark.parametrize(
    ("files", "roots", "said"),
    [
        ({"more.rego": "package more\n\nv := http.send({})\n"}, [""], "more.rego:3"),
        ({"list.json": "[]"}, [""], "list.json: OPA would merge"),
        ({"more.rego": "package more\n"}, ["gateway"], "package more lies outside"),
        ({"data.yaml": "teams: {}\n"}, ["gateway"], "data.teams lies outside"),
        ({}, ["gateway", "gateway/intent"], "within another"),
    ],
)
def test_what_could_not_go_live_is_not_built(write: Write, files: dict[str, str | None], roots: list[str], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        build(write(files), roots=roots)
