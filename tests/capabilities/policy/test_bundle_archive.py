from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.bundle import read_bundle
from gateway.capabilities.policy.bundle_archive import MAX_ARCHIVE_BYTES, MAX_MEMBERS, MAX_UNPACKED_BYTES, pack, unpack
from gateway.capabilities.policy.problems import PolicyError

FILES = {"a/b.rego": b"package a.b\n", "data.json": b"{}", "intent.rego": b'package gateway.intent\n\nverdict := {"outcome": "allow"}\n'}
GOOD = pack(FILES)
HERE = Path("bundle.tar.gz")


def archive(*members: tarfile.TarInfo | tuple[str, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as tar:
        for member in members:
            if isinstance(member, tuple):
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
            else:
                tar.addfile(member, io.BytesIO(b"\0" * member.size))
    return gzip.compress(packed.getvalue(), 1)


def special(kind: bytes, name: str = "intent.rego", target: str = "/etc/passwd") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_what_is_packed_is_unpacked_and_is_the_same_bytes_each_time() -> None:
    assert unpack(GOOD, "x") == FILES
    assert pack(dict(reversed(FILES.items()))) == GOOD


def test_names_begin_where_opa_and_tar_begin_them() -> None:
    assert list(unpack(archive(("/data.json", b"1"), ("./b.rego", b"2"), ("c/d.rego", b"3"), special(tarfile.DIRTYPE, "c")), "x")) == [
        "b.rego",
        "c/d.rego",
        "data.json",
    ]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_in_every_form_of_tar(form: int) -> None:
    name = "/".join(["folder-with-a-name"] * 12) + "/intent.rego"
    assert list(unpack(archive((name, b"x"), ("b.rego", b"y"), form=form), "x")) == ["b.rego", name]


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "cut short"),
    "no archive": (lambda: b"package gateway.intent", "not a gzipped archive"),
    "no tar": (lambda: gzip.compress(b"package gateway.intent" * 100), "no tar archive"),
    "an empty tar": (lambda: gzip.compress(b""), "no tar archive"),
    "half of it": (lambda: GOOD[: len(GOOD) // 2], "cut short"),
    "half of the tar": (lambda: gzip.compress(gzip.decompress(GOOD)[:700]), "ends in the middle"),
    "something after it": (lambda: GOOD + b"x", "follows the end"),
    "a second archive": (lambda: GOOD + GOOD, "follows the end"),
    "something after the tar": (lambda: gzip.compress(gzip.decompress(GOOD) + b"x" * 512), "follows the end"),
    "too many bytes": (lambda: b"\x1f\x8b" + b"x" * MAX_ARCHIVE_BYTES, "larger than"),
    "a bomb": (lambda: gzip.compress(b"\0" * (MAX_UNPACKED_BYTES + 1)), "unpacks to more than"),
    "a path out of it": (lambda: archive(("../intent.rego", b"x")), "leads out"),
    "a path out of it within": (lambda: archive(("a/../../intent.rego", b"x")), "leads out"),
    "an absolute path to another place": (lambda: archive(("//etc/passwd", b"x")), "leads out"),
    "a path of another system": (lambda: archive(("..\\intent.rego", b"x")), "cannot be shown"),
    "a name with a line end": (lambda: archive(("a\nb.rego", b"x")), "cannot be shown"),
    "a symbolic link": (lambda: archive(special(tarfile.SYMTYPE)), "is a link"),
    "a hard link": (lambda: archive(special(tarfile.LNKTYPE)), "is a link"),
    "a device": (lambda: archive(special(tarfile.CHRTYPE)), "is a device"),
    "a pipe": (lambda: archive(special(tarfile.FIFOTYPE)), "is a pipe"),
    "an unknown member": (lambda: archive(special(b"Z")), "something else than a file"),
    "the same file twice": (lambda: archive(("a.rego", b"x"), ("a.rego", b"y")), "twice"),
    "the same file by two names": (lambda: archive(("a.rego", b"x"), ("./a.rego", b"y")), "twice"),
    "too many files": (lambda: archive(*((f"{i}.rego", b"") for i in range(MAX_MEMBERS + 1))), "more than"),
    "a size of its own": (lambda: archive(sized({"size": "9999999999"}), form=tarfile.PAX_FORMAT), "sparse or huge"),
    "a sparse file": (lambda: archive(sized({"GNU.sparse.major": "1"}), form=tarfile.PAX_FORMAT), "sparse or huge"),
}


def sized(headers: dict[str, str]) -> tarfile.TarInfo:
    info = tarfile.TarInfo("a.rego")
    info.pax_headers = headers
    return info


@pytest.mark.parametrize("case", REFUSED)
def test_an_archive_that_holds_what_a_bundle_does_not_is_refused_with_the_reason(case: str) -> None:
    make, said = REFUSED[case]
    with pytest.raises(PolicyError, match=said):
        unpack(make(), "bundle.tar.gz")


def test_a_bomb_costs_no_more_memory_than_what_is_allowed() -> None:
    bomb = gzip.compress(b"\0" * (1 << 28), 9)
    tracemalloc.start()
    try:
        with pytest.raises(PolicyError, match="unpacks to more than"):
            unpack(bomb, "x")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * MAX_UNPACKED_BYTES


def comes_to(content: bytes) -> str:
    """What the bytes come to; whatever else is raised fails the test."""
    try:
        return read_bundle(content, HERE).revision
    except PolicyError as error:
        return str(error)


@given(st.binary(max_size=3_000))
def test_random_bytes_are_a_bundle_or_a_policy_error(content: bytes) -> None:
    assert comes_to(content)


@given(st.binary(max_size=3_000))
def test_random_bytes_in_a_gzip_are_a_bundle_or_a_policy_error(content: bytes) -> None:
    assert comes_to(gzip.compress(content, 1))


@given(st.lists(st.tuples(st.integers(0, len(gzip.decompress(GOOD)) - 1), st.integers(0, 255)), max_size=8), st.integers(0, 4_096))
def test_a_mutated_archive_is_a_bundle_or_a_policy_error(changes: list[tuple[int, int]], cut: int) -> None:
    tar = bytearray(gzip.decompress(GOOD))
    for at, byte in changes:
        tar[at] = byte
    assert comes_to(gzip.compress(bytes(tar[: len(tar) - cut]), 1))


@given(st.integers(0, 3), st.lists(st.tuples(st.integers(0, 511), st.integers(0, 255)), max_size=8))
def test_a_mutated_header_with_a_good_sum_is_a_bundle_or_a_policy_error(member: int, changes: list[tuple[int, int]]) -> None:
    tar = bytearray(gzip.decompress(archive(("a" * 99 + "/" + "b" * 80, b"x"), ("intent.rego", FILES["intent.rego"]), form=tarfile.PAX_FORMAT)))
    at = member * 512
    for offset, byte in changes:
        tar[at + offset] = byte
    tar[at + 148 : at + 156] = b" " * 8
    tar[at + 148 : at + 156] = b"%06o\0 " % sum(tar[at : at + 512])
    assert comes_to(gzip.compress(bytes(tar), 1))


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}(/[a-zé .]{1,120}[a-z]){0,3}\.rego", fullmatch=True).filter(lambda name: "/." not in name), st.binary(max_size=2_000)
    )
)
def test_every_set_of_files_comes_back_as_it_was_packed(files: dict[str, bytes]) -> None:
    assert unpack(pack(files), "x") == files
