from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.capabilities.policy.bundle_archive import pack
from gateway.capabilities.policy.bundle_keep import Keep
from gateway.capabilities.policy.bundle_keys import bundle_key
from gateway.capabilities.policy.problems import PolicyError

FILES = {"intent.rego": b"package gateway.intent\n"}


def test_what_is_kept_is_read_again_and_is_nobody_elses(tmp_path: Path) -> None:
    keep = Keep(tmp_path / "a" / "policy", "http://192.0.2.1/bundle.tar.gz")
    assert keep.load(None) is None
    keep.save(b"old")
    keep.save(pack(FILES))
    found = keep.load(None)
    assert found is not None
    assert list(found.modules) == ["intent.rego"]
    assert stat.S_IMODE(keep.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keep.path.parent.stat().st_mode) == 0o700
    assert list(keep.path.parent.iterdir()) == [keep.path]


def test_the_bundle_of_one_source_is_not_taken_for_that_of_another(tmp_path: Path) -> None:
    Keep(tmp_path, "http://192.0.2.1/bundle.tar.gz").save(pack(FILES))
    assert Keep(tmp_path, "http://192.0.2.2/bundle.tar.gz").load(None) is None


def test_what_is_kept_has_to_be_signed_as_what_comes(tmp_path: Path) -> None:
    keep = Keep(tmp_path, "x")
    keep.save(pack(FILES))
    with pytest.raises(PolicyError, match="not signed"):
        keep.load(bundle_key(b"0123456789abcdef"))


def test_where_nothing_can_be_written_what_was_kept_stays(tmp_path: Path) -> None:
    keep = Keep(tmp_path, "x")
    keep.save(pack(FILES))
    broken = Keep(tmp_path / keep.path.name, "x")
    with pytest.raises(FileExistsError):
        broken.save(b"new")
    assert keep.load(None) is not None
