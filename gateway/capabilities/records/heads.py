"""Signed heads of chains, in a folder outside the database: what shows that a tail was cut or an old backup restored.

A head file has two slots of 512 bytes (one sector of a disk), each a line of JSON. Head number ``n`` goes to slot ``n % 2``, so that a kill or a power
cut at any moment leaves the head before it readable. A file begins with the numbers 0 and -1, before the chain's first entry is committed.
"""

from __future__ import annotations

import base64
import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import orjson

from gateway.capabilities.records.chain import NO_LINK, Link
from gateway.capabilities.records.signing import SigningKey, VerifyKey

_SLOT = 512
_SYNC_EVERY_S = 1.0
MAX_TENANT_BYTES = 100
"""What a slot has room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A signed statement: chain (tenant, writer) had reached ``link`` when head number ``n`` was signed."""

    tenant: str
    writer: str
    n: int
    link: Link


def sign_head(head: Head, key: SigningKey) -> bytes:
    """A head as a line of JSON, 512 bytes long.

    Raises:
        ValueError: The tenant's name is too long.
    """
    fields = {"hash": head.link.hash.hex(), "key": key.verify_key.id, "n": head.n, "seq": head.link.seq, "tenant": head.tenant, "writer": head.writer}
    signature = base64.b64encode(key.sign(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS))).decode()
    line = orjson.dumps({**fields, "sig": signature}, option=orjson.OPT_SORT_KEYS)
    if len(line) >= _SLOT:
        raise ValueError(f"a tenant's name can have at most {MAX_TENANT_BYTES} bytes")
    return line.ljust(_SLOT - 1) + b"\n"


def read_slot(line: bytes, key: VerifyKey) -> Head:
    """The head in a slot.

    Raises:
        ValueError: The slot is damaged or its signature is not this key's.
    """
    try:
        fields = orjson.loads(line)
        signature = base64.b64decode(fields.pop("sig"), validate=True)
        link = Link(fields["seq"], bytes.fromhex(fields["hash"]))
        head = Head(tenant=fields["tenant"], writer=fields["writer"], n=fields["n"], link=link)
        signed, signer = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS), fields["key"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("a slot is damaged") from error
    if signer != key.id:
        raise ValueError("a slot was signed by another key than the one given")
    if not key.verifies(signed, signature):
        raise ValueError("a slot's signature is wrong: it was edited or forged")
    if line != orjson.dumps({**fields, "sig": base64.b64encode(signature).decode()}, option=orjson.OPT_SORT_KEYS).ljust(_SLOT - 1) + b"\n":
        raise ValueError("a slot was edited around its signed part")
    return head


def read_head(content: bytes, key: VerifyKey) -> Head:
    """The newest head of a file's content.

    Raises:
        ValueError: The content is not two slots of consecutive heads of one chain, each signed by ``key`` and at its place.
    """
    if len(content) != 2 * _SLOT:
        raise ValueError(f"the file has {len(content)} bytes instead of {2 * _SLOT}")
    even, odd = (read_slot(content[start : start + _SLOT], key) for start in (0, _SLOT))
    if (even.tenant, even.writer) != (odd.tenant, odd.writer) or even.n % 2 or abs(even.n - odd.n) != 1:
        raise ValueError("the slots do not belong together")
    return max(even, odd, key=lambda head: head.n)


def file_name(tenant: str, writer: str) -> str:
    """The name of a chain's head file."""
    return f"{quote(tenant, safe='')}.{writer}.head"


class HeadsError(Exception):
    """Folders of heads contradict each other. The message says in which chain."""


def read_heads(folder: Path, tenant: str, also: Iterable[Path] = ()) -> dict[str, bytes]:
    """The contents of a tenant's head files, by writer. Files of other names are none of ours.

    Args:
        folder: The config's folder.
        tenant: Whose.
        also: The folders of other machines that write to the same database.

    Raises:
        HeadsError: Two folders have different heads of one chain: each chain has one writer, and that one folder.
    """
    found: dict[str, bytes] = {}
    for place in {each.resolve(): each for each in (folder, *also)}.values():
        for writer, path in _head_paths(place, tenant):
            content = path.read_bytes()
            if found.setdefault(writer, content) != content:
                raise HeadsError(f"{place} has another head of chain {writer} than a folder before it: give each machine's own folder, and no copies")
    return found


def head_writers(folder: Path, tenant: str, also: Iterable[Path] = ()) -> set[str]:
    """Whose head files there are."""
    return {writer for place in (folder, *also) for writer, _ in _head_paths(place, tenant)}


def _head_paths(folder: Path, tenant: str) -> Iterator[tuple[str, Path]]:
    if folder.is_dir():
        for path in folder.glob("*.head"):
            owner, _, writer = path.name.removesuffix(".head").rpartition(".")
            if unquote(owner) == tenant:
                yield writer, path


class HeadFiles:
    """Writes the heads of one writer's chains. For one thread."""

    def __init__(self, folder: Path, key: SigningKey, writer: str, *, sync: bool) -> None:
        """``sync``: reach the disk at a chain's beginning, then at most once a second and on ``close`` (see ``docs/records.md`` for why that is enough)."""
        self._folder, self._key, self._writer, self._sync = folder, key, writer, sync
        self._files: dict[str, tuple[int, int]] = {}
        self._dirty: set[int] = set()
        self._synced = 0.0

    def successor(self, writer: str) -> HeadFiles:
        """Close these files and write those of another writer, in the same folder."""
        with contextlib.suppress(OSError):
            self.sync()
        for fd, _ in self._files.values():
            os.close(fd)
        self._files.clear()
        return HeadFiles(self._folder, self._key, writer, sync=self._sync)

    def begin(self, tenant: str) -> None:
        """Create a chain's head file before the chain's first entry is committed.

        Raises:
            OSError: It cannot be written.
            ValueError: The tenant's name is too long.
        """
        if tenant in self._files:
            return
        slots = b"".join(sign_head(Head(tenant=tenant, writer=self._writer, n=n, link=NO_LINK), self._key) for n in (0, -1))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / file_name(tenant, self._writer)
        draft = path.with_suffix(".new")
        fd = os.open(draft, os.O_CREAT | os.O_RDWR | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, slots)
            if self._sync:
                os.fsync(fd)
            draft.replace(path)
            if self._sync:
                _sync_folder(self._folder)
        except OSError:
            os.close(fd)
            raise
        self._files[tenant] = (fd, 0)

    def write(self, tenant: str, link: Link) -> None:
        """Sign a chain's new head and write it over the older of its two slots.

        Raises:
            OSError: It cannot be written, or somebody has removed the file: ``begin`` makes it anew.
        """
        fd, n = self._files[tenant]
        if os.fstat(fd).st_nlink == 0:
            self._forget(tenant)
            raise FileNotFoundError(f"{self._folder / file_name(tenant, self._writer)} was removed")
        slot = sign_head(Head(tenant=tenant, writer=self._writer, n=n + 1, link=link), self._key)
        if os.pwrite(fd, slot, ((n + 1) % 2) * _SLOT) != _SLOT:
            raise OSError("a head was written in part")
        self._files[tenant] = (fd, n + 1)
        if self._sync:
            self._dirty.add(fd)
            if time.monotonic() - self._synced > _SYNC_EVERY_S:
                self.sync()

    def _forget(self, tenant: str) -> None:
        fd, _ = self._files.pop(tenant)
        self._dirty.discard(fd)
        os.close(fd)

    def sync(self) -> None:
        """Bring what was written to the disk."""
        for fd in self._dirty:
            os.fdatasync(fd)
        self._dirty.clear()
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close the files."""
        self.sync()
        for fd, _ in self._files.values():
            os.close(fd)
        self._files.clear()


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
