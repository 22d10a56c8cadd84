"""Reading a policy folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.capabilities.policy import bundle
from gateway.capabilities.policy.bundle import MAX_FILE_BYTES, MAX_FILES, load_bundle, read_bundle, signature
from gateway.capabilities.policy.bundle_archive import pack
from gateway.capabilities.policy.bundle_keys import bundle_key
from gateway.capabilities.policy.problems import PolicyError
from tests.capabilities.policy.conftest import Write


def test_modules_tests_and_data_are_told_apart(write: Write) -> None:
    loaded = load_bundle(write({"a_test.rego": "package a_test", "data.yaml": "teams: {a: [b]}", "sub/data.yaml": "x: 1", "sub/c.rego": "package c"}))
    assert set(loaded.modules) == {"intent.rego", "answer.rego", "sub/c.rego"}
    assert set(loaded.tests) == {"a_test.rego"}
    assert loaded.data == {"teams": {"a": ["b"]}, "sub": {"x": 1}}


def test_the_revision_follows_modules_and_data_but_not_tests(write: Write) -> None:
    first = load_bundle(write({"data.yaml": "a: 1"})).revision
    assert load_bundle(write({"a_test.rego": "package a_test"})).revision == first
    second = load_bundle(write({"data.yaml": "a: 2"})).revision
    third = load_bundle(write({"more.rego": "package more"})).revision
    assert len({first, second, third}) == 3


def test_hidden_files_are_no_part_of_a_policy(write: Write) -> None:
    assert ".draft.rego" not in load_bundle(write({".draft.rego": "broken", ".git/x.rego": "broken"})).modules


@pytest.mark.parametrize(
    ("files", "place", "what"),
    [
        ({"input.json": "{}"}, "input.json", "OPA would merge"),
        ({"tables.yaml": "a: 1"}, "tables.yaml", "OPA would merge"),
        ({"data.yaml": "a: ["}, "data.yaml:2:1", "not YAML"),
        ({"data.yaml": "- a"}, "data.yaml:1:1", "must hold a mapping"),
        ({"data.yaml": "sub: 1", "sub/data.yaml": "x: 1"}, "sub/data.yaml", "plain value"),
        ({"data.yaml": "a: 1", "data.yml": "a: 2"}, "data.yml", "the same table"),
        ({"intent.rego": None, "answer.rego": None, "a_test.rego": "package a"}, "policies", "holds no Rego"),
    ],
)
def test_what_does_not_belong_is_named(write: Write, files: dict[str, str | None], place: str, what: str) -> None:
    folder = write(files)
    with pytest.raises(PolicyError) as caught:
        load_bundle(folder)
    assert len(caught.value.problems) == 1
    assert place in str(caught.value)
    assert what in str(caught.value)


def test_a_missing_folder_and_bad_bytes_are_named(write: Write, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no such policy folder"):
        load_bundle(tmp_path / "nowhere")
    folder = write()
    (folder / "b.rego").write_bytes(b"package b\n\xff\n")
    with pytest.raises(PolicyError, match=r"b\.rego:2:1: the file is not UTF-8"):
        load_bundle(folder)


def test_sizes_and_numbers_of_files_are_bounded(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_FILE_BYTES", 100)
    with pytest.raises(PolicyError, match="larger than 100 bytes"):
        load_bundle(write({"b.rego": "#" * 101}))
    monkeypatch.setattr(bundle, "MAX_FILES", 2)
    with pytest.raises(PolicyError, match="more than 2 files"):
        load_bundle(write())


def test_a_signature_differs_when_anything_changed(write: Write, tmp_path: Path) -> None:
    seen = {signature(write()), signature(write({"data.yaml": "a: 1"})), signature(write({"data.yaml": "a: 22"})), signature(write({"data.yaml": None}))}
    assert len(seen) == 4
    assert signature(tmp_path / "nowhere") == ()


RULE = b'package gateway.intent\n\nverdict := {"outcome": "allow"}\n'


def test_a_bundle_is_what_its_files_and_its_manifest_say(tmp_path: Path) -> None:
    files = {"x/intent.rego": RULE, "x/data.json": b'{"a": 1}', "data.yaml": b"b: 2\n", "README.md": b"\xff", ".manifest": b'{"revision": "v1", "roots": [""]}'}
    path = tmp_path / "bundle.tar.gz"
    path.write_bytes(pack(files))
    bundle = load_bundle(path)
    assert list(bundle.modules) == ["x/intent.rego"]
    assert bundle.data == {"x": {"a": 1}, "b": 2}
    assert bundle.manifest.revision == "v1"
    assert bundle.revision == read_bundle(pack({name: files[name] for name in ("x/intent.rego", "x/data.json", "data.yaml")}), path).revision


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no Rego"),
        ({"list.json": b"{}"}, "list.json: OPA passes this file over"),
        ({"policy.wasm": b""}, "none of Rego and data"),
        ({"plan.json": b"{}"}, "none of Rego and data"),
        ({"patch.json": b"{}"}, "none of Rego and data"),
        ({"a.rego": b"\xff"}, "a.rego:1:1: the file is not UTF-8"),
        ({"a.rego": b"#" * (MAX_FILE_BYTES + 1)}, "larger than"),
        ({"data.json": b'{"a": 1, "a": 2}'}, "twice"),
        ({"data.json": b"[" * 100_000}, "nested deeper"),
        ({"data.json": b'{"a": 1e5}'}, "exponent"),
        ({"data.json": b"{"}, "data.json:1:2: not JSON"),
        ({"data.json": b'{"a": 1}', "data.yaml": b"a: 2\n"}, "same table"),
        ({f"{number}.rego": b"package a\n" for number in range(MAX_FILES + 1)}, "more than 500 files"),
    ],
)
def test_a_bundle_that_is_no_policy_is_refused_with_the_reason(files: dict[str, bytes], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        read_bundle(pack(files), Path("bundle.tar.gz"))


def test_where_a_key_is_asked_for_a_folder_is_no_policy(write: Write) -> None:
    with pytest.raises(PolicyError, match="a folder has no signature"):
        load_bundle(write(), bundle_key(b"0123456789abcdef"))
