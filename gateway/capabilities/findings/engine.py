"""The engine below whole-text and streamed scanning: one look at a text, or at what has come of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from gateway.capabilities.findings.catalogue import FINDERS, TABLE_VERSION, check_options, recognisers_for
from gateway.capabilities.findings.custom import CustomPattern, compile_patterns, compile_words, digest_of, find_custom
from gateway.capabilities.findings.model import Candidate, View, prolonged
from gateway.capabilities.findings.numbers import NumberFinder
from gateway.capabilities.findings.options import ScanOptions
from gateway.capabilities.findings.plain import PlainText
from gateway.capabilities.findings.text_view import view_of


class Examined(NamedTuple):
    """What one look at a text, or at a part of one that is still coming, has shown."""

    view: View
    accepted: list[Candidate]
    """Without overlaps, in order. Those with a ``tail`` may go on beyond the text."""
    pending: int
    """From here on nothing is decided: what comes may still tell. The text's length if all is."""
    searched: list[list[tuple[int, int]]]
    """For each of the tenant's patterns the spans that its search stepped over."""


def resolve(candidates: list[Candidate], base: int, data: bytes) -> tuple[list[Candidate], int]:
    """The candidates from ``base`` on that hold: what starts first wins, then the lower rank, then the longer. Stops at the first undecided one."""
    candidates.sort(key=_order)
    accepted: list[Candidate] = []
    last = base
    for found in candidates:
        candidate = found
        if candidate.start < last:
            continue
        if not candidate.sure:
            return accepted, candidate.start
        if candidate.tail is not None:
            end, goes_on = prolonged(candidate.tail, data, candidate.end)
            candidate = candidate._replace(end=end, tail=candidate.tail if goes_on else None)
        accepted.append(candidate)
        last = candidate.end
    return accepted, len(data)


def _order(candidate: Candidate) -> tuple[int, int, int]:
    return candidate.start, candidate.rank, -candidate.end


class Engine:
    """A compiled set of recognisers. Raises ``ScanOptionsError`` for options that make no sense."""

    def __init__(self, options: ScanOptions) -> None:
        check_options(options)
        self._numbers = NumberFinder(recognisers_for(options))
        self.patterns: list[CustomPattern] = compile_patterns(options.patterns)
        self.words: list[CustomPattern] = compile_words(options.words)
        self._custom = [*self.patterns, *self.words]
        self.word_prefixes = word_prefixes(options)
        self.plain = PlainText(self.patterns, [word for members in options.words.values() for word in members])
        digest = hashlib.sha256(TABLE_VERSION.encode())
        digest.update(repr((sorted(options.enable), sorted(options.countries))).encode())
        digest.update(digest_of(self._custom))
        self.revision: str = digest.hexdigest()[:32]
        """What tells this set of recognisers from another."""

    def examine(self, text: str, *, base: int, final: bool, resume: Sequence[int]) -> Examined:
        """Looks at ``text`` from ``base`` on; what stands before it is context. ``final`` says whether the text ends here."""
        view = view_of(text, final=final)
        candidates: list[Candidate] = []
        self._numbers.find(view, candidates)
        for finder in FINDERS:
            finder(view, candidates)
        searched = find_custom(self._custom, view.text, resume, candidates) if self._custom else []
        accepted, pending = resolve([found for found in candidates if found.start >= base], base, view.data)
        return Examined(view, accepted, pending, searched)

    def start_places(self, at: int = 0) -> list[int]:
        """Where the search of each of the tenant's patterns begins in a new text."""
        return [at] * len(self._custom)


def word_prefixes(options: ScanOptions) -> frozenset[str]:
    """Every beginning of every word of the tenant, so that a stream can tell an open one."""
    prefixes: set[str] = set()
    for members in options.words.values():
        for word in members:
            whole = " ".join(word.split()).casefold()
            prefixes.update(whole[:size] for size in range(1, len(whole) + 1))
            prefixes.update(whole[:size] + " " for size in range(1, len(whole)) if whole[size] == " ")
    return frozenset(prefixes)
