"""The archive that a policy travels in: a gzipped tar, as ``opa build`` makes it. Read with limits and suspicion, written the same for the same content.

The tar is read here, not by ``tarfile``: of that format's forms an OPA bundle needs three (plain files, folders, long names), and whatever else an archive can
say (links, devices, sparse files, names outside) is a reason to refuse it. Time and memory are bounded by the limits below, whatever the bytes are.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from gateway.capabilities.policy.problems import PolicyError, Problem

MAX_ARCHIVE_BYTES: Final = 4_194_304
MAX_UNPACKED_BYTES: Final = 8_388_608
MAX_MEMBERS: Final = 1_000
MAX_NAME_CHARS: Final = 400
"""Bounds of this gateway, far above any policy that people write: what is larger is refused before it can cost memory."""

_BLOCK: Final = 512
_FILE: Final = frozenset({b"0", b"\0"})
_FOLDER, _PAX, _PAX_GLOBAL, _GNU_LONG_NAME = b"5", b"x", b"g", b"L"
_KINDS: Final = {b"1": "a link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file"}
_HINT: Final = "build it with `gateway policy build` or `opa build`"


class _BrokenError(Exception):
    """What is wrong with the archive, in words that quote nothing of it but the names of its files."""


class _Member(NamedTuple):
    name: str
    kind: bytes
    content: bytes


def unpack(content: bytes, place: str) -> dict[str, bytes]:
    """The files of an archive by name, without a leading ``/`` or ``./``, in the order of their names. ``place`` is where it came from, for the error.

    Raises:
        PolicyError: It is no such archive, is cut short, larger than the limits, or holds what does not belong into one.
    """
    try:
        return dict(sorted(_files(_unzip(content)), key=lambda file: file[0].split("/")))  # as a folder's paths are sorted
    except _BrokenError as fault:
        raise PolicyError([Problem(place, 0, 0, str(fault), _HINT)]) from None


def pack(files: Mapping[str, bytes]) -> bytes:
    """An archive of ``files``: the same bytes for the same files, whenever and by whomever it is made."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), 9, mtime=0)


def _unzip(content: bytes) -> bytes:
    if len(content) > MAX_ARCHIVE_BYTES:
        raise _BrokenError(f"the bundle is larger than {MAX_ARCHIVE_BYTES} bytes")
    stream = zlib.decompressobj(wbits=31)  # 16 for gzip, 15 for its largest window
    try:
        unpacked = stream.decompress(content, MAX_UNPACKED_BYTES + 1)
    except zlib.error:
        raise _BrokenError("the bundle is not a gzipped archive, or is damaged") from None
    if len(unpacked) > MAX_UNPACKED_BYTES:
        raise _BrokenError(f"the bundle unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    if not stream.eof:
        raise _BrokenError("the bundle is cut short")
    if stream.unused_data:
        raise _BrokenError("something follows the end of the archive")
    return unpacked


def _files(tar: bytes) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    for number, member in enumerate(_named(tar)):
        if number >= MAX_MEMBERS:
            raise _BrokenError(f"the bundle holds more than {MAX_MEMBERS} files")
        name = _clean(member.name)
        if member.kind == _FOLDER:
            continue
        if member.kind not in _FILE:
            raise _BrokenError(f"{name} is {_KINDS.get(member.kind, 'something else than a file')}")
        if name in seen:
            raise _BrokenError(f"{name} stands in the archive twice")
        seen.add(name)
        yield name, member.content


def _named(tar: bytes) -> Iterator[_Member]:
    """The members with their whole names: a long one stands in a member of its own before them."""
    longer = ""
    for member in _members(tar):
        if member.kind == _PAX_GLOBAL:
            continue
        if member.kind == _PAX:
            longer = _pax_path(member.content) or longer
        elif member.kind == _GNU_LONG_NAME:
            longer = _text(member.content)
        else:
            yield member._replace(name=longer or member.name)
            longer = ""


def _members(tar: bytes) -> Iterator[_Member]:
    at = 0
    while True:
        header = tar[at : at + _BLOCK]
        if len(header) < _BLOCK:
            raise _BrokenError("the archive ends in the middle of a file" if at else "the bundle holds no tar archive")
        if not header.strip(b"\0"):
            if tar[at:].strip(b"\0"):
                raise _BrokenError("something follows the end of the archive")
            return
        if _octal(header[148:156]) != sum(header[:148]) + 8 * 0x20 + sum(header[156:]):  # the sum of the header, its own field taken as blanks
            raise _BrokenError("the bundle holds no tar archive, or a damaged one")
        size = _octal(header[124:136])
        at += _BLOCK
        if at + size > len(tar):
            raise _BrokenError("the archive ends in the middle of a file")
        yield _Member(_header_name(header), header[156:157], tar[at : at + size])
        at += -(-size // _BLOCK) * _BLOCK


def _header_name(header: bytes) -> str:
    name, prefix = _text(header[:100]), _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or len(digits) > 11 or digits.strip(b"01234567"):
        raise _BrokenError("the bundle holds no tar archive, or a damaged one")
    return int(digits, 8)


def _text(field: bytes) -> str:
    try:
        return field.split(b"\0", 1)[0].decode("utf-8")
    except UnicodeDecodeError:
        raise _BrokenError("a file of the bundle has a name that is not UTF-8") from None


def _pax_path(content: bytes) -> str:
    """The name in a pax header, ``LENGTH KEY=VALUE`` and a line end for each entry."""
    found = ""
    while content:
        digits, _, _ = content[:8].partition(b" ")
        size = int(digits) if digits.isdigit() else 0
        key, separator, value = content[len(digits) + 1 : size].partition(b"=")
        if not separator or not value.endswith(b"\n") or size > len(content):
            raise _BrokenError("the archive has a header that is damaged")
        if key == b"size" or key.startswith(b"GNU.sparse"):
            raise _BrokenError("the archive holds a sparse or huge file")
        if key == b"path":
            found = _text(value[:-1])
        content = content[size:]
    return found


def _clean(name: str) -> str:
    """A name as ``a/b.rego``. OPA writes its own with a leading ``/``, which is the top of the bundle, as ``./`` is."""
    if len(name) > MAX_NAME_CHARS or not name.isprintable() or "\\" in name:
        raise _BrokenError(f"a file has a name of more than {MAX_NAME_CHARS} characters, or with some that cannot be shown")
    whole = name.removeprefix("./").removeprefix("/").removesuffix("/")
    if whole not in {"", "."} and not {"", ".", ".."}.isdisjoint(whole.split("/")):
        raise _BrokenError(f"{name} leads out of the bundle")
    return whole
