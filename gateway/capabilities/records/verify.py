"""Verification: every problem of one tenant's chains, against the signed heads. ``docs/records.md`` says what this proves and what it cannot."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from gateway.capabilities.records.chain import NO_LINK, START, Link, link_hash
from gateway.capabilities.records.courses import Courses
from gateway.capabilities.records.entries import ERASED, GENESIS
from gateway.capabilities.records.heads import HeadsError, head_writers, read_head, read_heads
from gateway.capabilities.records.rows import check_row, parse_body
from gateway.capabilities.records.signing import VerifyKey
from gateway.domain import Json
from gateway.infrastructure.database import Database, DatabaseError
from gateway.infrastructure.database_ledger import EntryRow, Ledger, Snapshot


@contextlib.contextmanager
def living_chains(database: Database, heads: Path, tenant: str, *, also: Sequence[Path] = ()) -> Iterator[tuple[Snapshot, dict[str, bytes]]]:
    """A tenant's chains in a database that may be in use, with heads that are not ahead of them and lack none.

    A head is written after its commit, a head file made before its chain: so heads are read first, and again from the start if a file has come since.
    ``also`` are the folders of heads of other machines that write to the same database.

    Raises:
        DatabaseError: The database cannot be read.
        HeadsError: The folders contradict each other.
    """
    ledger = Ledger(database)
    while True:
        found = read_heads(heads, tenant, also)
        with ledger.snapshot(tenant) as snapshot:
            if head_writers(heads, tenant, also) <= found.keys():
                yield snapshot, found
                return


def verify_database(database: Database, heads: Path, tenant: str, key: VerifyKey, *, also: Sequence[Path] = ()) -> Report:
    """Check a tenant's chains in the database; one that cannot be read to its end is a problem like any other. ``also`` as in ``living_chains``."""
    try:
        with living_chains(database, heads, tenant, also=also) as (snapshot, found):
            return verify(snapshot, found, key, noted_open=snapshot.open_intents())
    except HeadsError as error:
        return Report(tenant=tenant, problems=[Problem("", None, "", str(error))])
    except DatabaseError as error:
        return Report(tenant=tenant, problems=[Problem("", None, "", f"the database cannot be read to its end: {error}")])


class Source(Protocol):
    """Where a tenant's chains are read from: the database or an export."""

    @property
    def tenant(self) -> str:
        """Whose chains they are."""

    def genesis_bodies(self) -> Iterable[bytes]:
        """The bodies of the chains' first entries."""

    def rows(self) -> Iterator[EntryRow]:
        """Every entry, chain by chain, in order."""


class Problem(NamedTuple):
    """Something that is not as it was written. ``seq`` is ``None`` where it concerns a chain as a whole."""

    writer: str
    seq: int | None
    intent_id: str
    what: str


@dataclass(slots=True, kw_only=True)
class Report:
    """What verification found."""

    tenant: str
    entries: int = 0
    chains: int = 0
    erased: int = 0
    open: int = 0
    """Intents that a process runs, or ran when it died."""
    parked: int = 0
    """Intents that wait for a person."""
    unsigned: int = 0
    """Entries after the last one that a head or a later chain vouches for: what a crash left there, the newest commit, or forged."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def verify(
    source: Source, heads: Mapping[str, bytes], key: VerifyKey, *, noted_open: set[str] | None = None, starts: Mapping[str, Link] | None = None
) -> Report:
    """Check a tenant's chains.

    Args:
        source: The chains. A live database's must be read after its heads, which then are never ahead of it.
        heads: The content of the tenant's head files by writer.
        key: Who signs heads.
        noted_open: Intents that the database notes as open; ``None`` where that is not known.
        starts: Of a partial export: the link before each chain's first exported entry. Chains that are not in it are not looked for.
    """
    walk = _Walk(source.tenant, starts)
    walk.expect_heads(heads, key)
    walk.expect_bound(source.genesis_bodies())
    for row in source.rows():
        walk.entry(row)
    walk.finish()
    if noted_open is not None:
        walk.compare_open(noted_open)
    return walk.report


class _Walk:
    """One pass over the entries of a tenant."""

    def __init__(self, tenant: str, starts: Mapping[str, Link] | None) -> None:
        self.report = Report(tenant=tenant)
        self._starts = starts
        self._headed: set[str] = set()
        self._expected: dict[tuple[str, int], list[tuple[bytes, str]]] = defaultdict(list)
        self._ends: dict[str, int] = {}
        self._vouched: dict[str, int] = {}
        self._writer: str | None = None
        self._link = NO_LINK
        self._emptied: dict[tuple[str, int], str] = {}
        self._kept: set[tuple[str, int]] = set()
        self._erased: set[tuple[str, int]] = set()
        self._courses = Courses(whole=starts is None)

    def expect_heads(self, heads: Mapping[str, bytes], key: VerifyKey) -> None:
        """Note what the signed heads say."""
        for writer, content in heads.items():
            self._headed.add(writer)
            try:
                head = read_head(content, key)
            except ValueError as error:
                self._problem(writer, None, "", f"the head file cannot be trusted: {error}")
                continue
            if (head.tenant, head.writer) != (self.report.tenant, writer):
                self._problem(writer, None, "", "the head file belongs to another chain")
            elif head.link.seq >= 0:
                self._expected[writer, head.link.seq].append((head.link.hash, "its signed head"))

    def expect_bound(self, bodies: Iterable[bytes]) -> None:
        """Note what the beginnings of later chains say about earlier ones."""
        for raw in bodies:
            body = parse_body(raw)
            for bind in _binds(body):
                self._expected[bind.writer, bind.seq].append((bytes.fromhex(bind.hash), f"the beginning of chain {bind.by}"))

    def entry(self, row: EntryRow) -> None:
        """Check the next entry and its link to the one before it."""
        self.report.entries += 1
        found = check_row(row)
        for what in found.problems:
            self._at(row, what)
        if row.writer != self._writer:
            self._begin(row)
        if not found.mistyped & {"seq", "hash"}:
            self._follow(row, linked="body" not in found.mistyped)
        if found.body is not None:
            self._remember(row, found.body, emptied=found.emptied)

    def finish(self) -> None:
        """After the last entry: what was expected and did not come."""
        self.report.chains = len(self._ends)
        for (writer, seq), expected in self._expected.items():
            if self._out_of_range(writer, seq):
                continue
            said = " and ".join(sorted({who for _, who in expected}))
            last = self._ends.get(writer)
            what = f"the chain is gone: {said} knows of entry {seq}" if last is None else f"entry {seq}, which {said} knows, is not there (the last is {last})"
            self._problem(writer, seq, "", f"{what}; a tail or a chain was cut, or an old backup restored")
        for writer in self._ends.keys() - self._headed:
            self._problem(writer, None, "", "the chain has no head file; if another machine wrote it, name its folder with --heads")
        for (writer, seq), intent_id in self._emptied.items():
            if (writer, seq) not in self._erased:
                self._problem(writer, seq, intent_id, "content and salt are gone, and no `erased` entry accounts for it")
        for writer, seq in sorted(self._erased & self._kept):
            self._problem(writer, seq, "", "content that was erased is there again")
        self.report.unsigned = sum(end - self._vouched.get(writer, -1) for writer, end in self._ends.items())
        self.report.erased = len(self._erased)
        for intent_id, told in self._courses.impossible():
            self._problem("", None, intent_id, f"no intent can take the course that its entries tell: {told}")
        self.report.open, self.report.parked = len(self._courses.running()), len(self._courses.waiting())

    def compare_open(self, noted: set[str]) -> None:
        """Compare the intents that are open by their entries with those that the database notes as open."""
        really = self._courses.running()
        for intent_id in sorted(really ^ noted):
            what = "opened, never closed, and not noted as open" if intent_id in really else "noted as open, but it is closed, waits, or was never opened"
            self._problem("", None, intent_id, what)

    def _begin(self, row: EntryRow) -> None:
        self._writer = row.writer
        start = self._starts.get(row.writer) if self._starts is not None else None
        self._link = start or NO_LINK
        if start is None and row.kind != GENESIS:
            self._at(row, "the chain does not begin with its `genesis` entry")

    def _follow(self, row: EntryRow, *, linked: bool) -> None:
        after, previous = self._link
        if row.seq != after + 1:
            self._at(row, f"entries {after + 1} to {row.seq - 1} are missing" if row.seq > after + 1 else f"sequence number {row.seq} follows {after}")
        elif linked and link_hash(previous, row.body) != row.hash:
            self._at(row, "the hash does not follow from the entry before it and the body: one of the three was edited")
        for expected, who in self._expected.pop((row.writer, row.seq), ()):
            self._vouched[row.writer] = row.seq
            if expected != row.hash:
                self._at(row, f"the hash is not the one that {who} knows: the chain was rewritten or exchanged")
        self._link = Link(row.seq, row.hash)
        self._ends[row.writer] = row.seq

    def _remember(self, row: EntryRow, body: Json, *, emptied: bool) -> None:
        place = (row.writer, row.seq)
        if emptied:
            self._emptied[place] = row.intent_id
        elif row.salt is not None:
            self._kept.add(place)
        if row.kind == ERASED:
            self._erased.update((writer, seq) for writer, seq in _pairs(body["facts"].get("entries")))
        self._courses.note(row.intent_id, row.writer, row.kind)

    def _out_of_range(self, writer: str, seq: int) -> bool:
        """Whether a partial export does not hold this entry anyway."""
        return self._starts is not None and (writer not in self._starts or seq <= self._starts[writer].seq)

    def _at(self, row: EntryRow, what: str) -> None:
        self._problem(str(row.writer), row.seq, str(row.intent_id), what)

    def _problem(self, writer: str, seq: int | None, intent_id: str, what: str) -> None:
        self.report.problems.append(Problem(writer, seq, intent_id, what))


class _Bind(NamedTuple):
    by: str
    writer: str
    seq: int
    hash: str


def _binds(body: Json | None) -> list[_Bind]:
    """What a ``genesis`` body binds. A damaged one binds nothing: its own hash tells on it."""
    try:
        binds = [_Bind(str(body["writer"]), str(item["writer"]), int(item["seq"]), str(item["hash"])) for item in body["facts"]["binds"]] if body else []
        return [bind for bind in binds if bytes.fromhex(bind.hash) != START]
    except (KeyError, TypeError, ValueError):
        return []


def _pairs(value: object) -> list[tuple[str, int]]:
    """The (writer, sequence number) pairs of an ``erased`` entry."""
    try:
        return [(str(writer), int(seq)) for writer, seq in value] if isinstance(value, list) else []
    except (TypeError, ValueError):
        return []
