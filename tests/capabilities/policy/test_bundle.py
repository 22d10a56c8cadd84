"""Reading a policy folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.capabilities.policy import bundle
from gateway.capabilities.policy.bundle import load_bundle, signature
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
