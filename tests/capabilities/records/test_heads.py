from __future__ import annotations

from pathlib import Path

import pytest

from gateway.capabilities.records.chain import NO_LINK, Link
from gateway.capabilities.records.heads import HeadFiles, file_name, head_writers, read_head, read_heads
from gateway.capabilities.records.signing import SigningKey
from tests.capabilities.records.conftest import KEY

LINKS = [Link(number, bytes([number]) * 32) for number in range(5)]


@pytest.fixture
def files(tmp_path: Path) -> HeadFiles:
    return HeadFiles(tmp_path, KEY, "w1", sync=True)


def content(folder: Path, tenant: str = "acme") -> bytes:
    return read_heads(folder, tenant)["w1"]


def test_a_chain_has_a_head_before_its_first_entry(files: HeadFiles, tmp_path: Path) -> None:
    files.begin("acme")
    assert read_head(content(tmp_path), KEY.verify_key).link == NO_LINK
    assert (tmp_path / file_name("acme", "w1")).stat().st_mode & 0o777 == 0o600


def test_the_newest_head_is_read_and_the_one_before_stays(files: HeadFiles, tmp_path: Path) -> None:
    files.begin("acme")
    for number, link in enumerate(LINKS, 1):
        before = content(tmp_path)
        files.write("acme", link)
        after = content(tmp_path)
        head = read_head(after, KEY.verify_key)
        assert (head.n, head.link, head.tenant, head.writer) == (number, link, "acme", "w1")
        kept = slice(0, 512) if number % 2 else slice(512, 1024)
        assert after[kept] == before[kept]
    files.close()


def test_every_single_changed_byte_is_noticed(files: HeadFiles, tmp_path: Path) -> None:
    files.begin("acme")
    for link in LINKS:
        files.write("acme", link)
    good = content(tmp_path)
    for place in range(len(good)):
        with pytest.raises(ValueError, match="slot"):
            read_head(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :], KEY.verify_key)


@pytest.mark.parametrize("length", [0, 1, 511, 512, 1023, 1025])
def test_a_file_of_another_length_is_no_head(length: int) -> None:
    with pytest.raises(ValueError, match="bytes instead of 1024"):
        read_head(b" " * length, KEY.verify_key)


def test_another_key_s_head_is_refused(files: HeadFiles, tmp_path: Path) -> None:
    files.begin("acme")
    with pytest.raises(ValueError, match="another key"):
        read_head(content(tmp_path), SigningKey(bytes(32)).verify_key)


def test_a_head_file_that_was_removed_is_noticed_and_made_anew(files: HeadFiles, tmp_path: Path) -> None:
    files.begin("acme")
    (tmp_path / file_name("acme", "w1")).unlink()
    with pytest.raises(FileNotFoundError):
        files.write("acme", LINKS[0])
    files.begin("acme")
    files.write("acme", LINKS[0])
    assert read_head(content(tmp_path), KEY.verify_key).link == LINKS[0]


@pytest.mark.parametrize("tenant", ["acme", "a.b", "..", "a/b", "ümlaut", "w1.head"])
def test_tenants_are_told_apart_whatever_their_names(files: HeadFiles, tmp_path: Path, tenant: str) -> None:
    files.begin(tenant)
    files.begin("other")
    assert head_writers(tmp_path, tenant) == {"w1"}
    assert read_head(content(tmp_path, tenant), KEY.verify_key).tenant == tenant
    assert len(list(tmp_path.iterdir())) == 2


def test_a_name_that_does_not_fit_is_refused(files: HeadFiles) -> None:
    with pytest.raises(ValueError, match="tenant's name"):
        files.begin("x" * 400)


def test_no_folder_is_no_heads(tmp_path: Path) -> None:
    assert read_heads(tmp_path / "none", "acme") == {}
