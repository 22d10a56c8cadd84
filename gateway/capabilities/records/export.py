"""Export: a tenant's chains as JSON lines, with all that verifying them offline takes. ``docs/records.md`` is the format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.capabilities.records.chain import FORMAT, NO_LINK, Link
from gateway.capabilities.records.rows import parse_body
from gateway.capabilities.records.signing import VerifyKey
from gateway.capabilities.records.verify import Problem, Report, Source, verify
from gateway.domain import Json
from gateway.infrastructure.database_ledger import EntryRow


class ExportError(Exception):
    """The file is no export, or not a whole one. The message says what and in which line."""


def export_lines(source: Source, heads: Mapping[str, bytes], key: VerifyKey, *, at_ns: int, since_ns: int | None = None) -> Iterator[bytes]:
    """A tenant's chains as lines. With ``since_ns`` each chain begins at its first entry from then on, and chains that ended before are left out."""
    yield _line({"type": "export", "format": FORMAT, "tenant": source.tenant, "at_ns": at_ns, "since_ns": since_ns, "public_key": key.encoded()})
    for writer, content in sorted(heads.items()):
        yield _line({"type": "head", "writer": writer, "content": _blob(content)})
    count, writer_now, last = 0, None, None
    for row in source.rows():
        if row.writer != writer_now:
            writer_now, last, begun = row.writer, None, since_ns is None
        if not begun and _at_ns(row) >= (since_ns or 0):
            begun = True
            before = last or NO_LINK
            yield _line({"type": "start", "writer": row.writer, "seq": before.seq, "hash": _blob(before.hash)})
        last = row
        if begun:
            count += 1
            yield _line({"type": "entry", **{name: _blob(value) if isinstance(value, bytes) else value for name, value in row._asdict().items()}})
    yield _line({"type": "end", "entries": count})


def _at_ns(row: EntryRow) -> int:
    body = parse_body(row.body)
    at_ns = body["at_ns"] if body else 0
    return at_ns if isinstance(at_ns, int) else 0


def _line(fields: Json) -> bytes:
    try:
        return orjson.dumps(fields) + b"\n"
    except TypeError:  # text that is no UTF-8: only in a ledger that somebody damaged; the standard library escapes it
        return json.dumps(fields).encode("ascii") + b"\n"


def _blob(value: bytes) -> str | Json:
    """Bytes in JSON: ``{"utf8": ...}`` where they are UTF-8, else ``{"hex": ...}``. A plain string stays what it is: text where bytes belong."""
    try:
        return {"utf8": value.decode("utf-8")}
    except UnicodeDecodeError:
        return {"hex": value.hex()}


def _unblob(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"utf8"}:
        return str(value["utf8"]).encode("utf-8", "surrogateescape")
    if isinstance(value, dict) and value.keys() == {"hex"}:
        return bytes.fromhex(value["hex"])
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export file. Its entries are read anew for each pass; only the rest is in memory."""

    path: Path
    tenant: str
    public_key: VerifyKey
    heads: Mapping[str, bytes]
    starts: Mapping[str, Link] | None
    """``None`` where the export is of everything."""

    @classmethod
    def open(cls, path: Path) -> Export:
        """Read all but the entries.

        Raises:
            ExportError: It is no export.
            OSError: It cannot be read.
        """
        lines = _read(path)
        header = next(lines, None)
        if header is None or header.get("type") != "export" or header.get("format") != FORMAT:
            raise ExportError(f"{path} is not an export of records ({FORMAT}): its first line should say so")
        heads: dict[str, bytes] = {}
        starts: dict[str, Link] = {}
        try:
            key = VerifyKey.from_text(header["public_key"])
            for fields in lines:
                if fields["type"] == "head":
                    heads[fields["writer"]] = _unblob(fields["content"])
                elif fields["type"] == "start":
                    starts[fields["writer"]] = Link(fields["seq"], _unblob(fields["hash"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ExportError(f"{path}: a line is not as an export's ({type(error).__name__}: {error})") from error
        return cls(path=path, tenant=str(header["tenant"]), public_key=key, heads=heads, starts=starts if header["since_ns"] is not None else None)

    def genesis_bodies(self) -> Iterator[bytes]:
        """The bodies of the chains' first entries."""
        return (row.body for row in self.rows() if row.seq == 0)

    def rows(self) -> Iterator[EntryRow]:
        """Every entry, in the order of the file.

        Raises:
            ExportError: The file ends before its last line, or a line is damaged.
        """
        count, end = 0, None
        for fields in _read(self.path):
            if end is not None:
                raise ExportError(f"{self.path}: the file goes on after its end")
            if fields.get("type") == "end":
                end = fields.get("entries", -1)
            elif fields.get("type") == "entry":
                count += 1
                try:
                    yield EntryRow(*(_unblob(fields[name]) for name in EntryRow._fields))
                except (KeyError, ValueError) as error:
                    raise ExportError(f"{self.path}: entry {count} of the file is damaged") from error
        if end != count:
            raise ExportError(f"{self.path}: the file has {count} entries and says it has {end}")


def verify_export(export: Export, key: VerifyKey | None) -> Report:
    """Check an export against a public key that you trust; without one against the key that it brings itself, which proves only that it is consistent."""
    try:
        return verify(export, export.heads, key or export.public_key, starts=export.starts)
    except ExportError as error:
        return Report(tenant=export.tenant, problems=[Problem("", None, "", str(error))])


def _read(path: Path) -> Iterator[Json]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                fields = json.loads(line) if b"\\ud" in line else orjson.loads(line)
            except ValueError as error:
                raise ExportError(f"{path}:{number}: not a line of JSON") from error
            if not isinstance(fields, dict):
                raise ExportError(f"{path}:{number}: not a JSON object")
            yield fields
