"""Whether the entries of an intent tell a course that an intent can take, wherever they stand: several processes may have written them, each by its clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from gateway.capabilities.records.entries import CLOSED, DECIDED, OPENED, PARKED, RESUMED

_LETTERS: Final = {OPENED: "o", PARKED: "p", DECIDED: "d", RESUMED: "r", CLOSED: "c"}
NEW, RUNNING, WAITING, ENDED = "new", "running", "waiting", "ended"
_MOVES: Final[Mapping[tuple[str, str], str]] = {
    (NEW, "o"): RUNNING,
    (RUNNING, "p"): WAITING,
    (RUNNING, "c"): ENDED,
    (WAITING, "d"): WAITING,
    (WAITING, "r"): RUNNING,
    (WAITING, "c"): ENDED,
}
"""opened, then (parked, decided*, resumed)*, then closed, which may come while it waits."""
_MOST_WAYS: Final = 2_000
"""Ways to lay the entries of several chains beside each other that are followed at once; real intents have one to three."""


class Courses:
    """Follows every intent of a tenant through its chains. Ordinary ones cost nothing once they are closed.

    Whoever opens an intent ends it or parks it first: what comes next in another chain can only follow that.
    """

    def __init__(self, *, whole: bool) -> None:
        """``whole``: the chains are followed from their beginnings, so that nothing can be missing before what is there."""
        self._whole = whole
        self._plain: set[str] = set()
        """Intents of which nothing but ``opened`` was seen."""
        self._told: dict[str, dict[str, str]] = {}
        """Of the others, what each writer tells of them: a letter an entry."""

    def note(self, intent_id: str, writer: str, kind: str) -> None:
        """The next entry of a chain."""
        letter = _LETTERS.get(kind)
        if letter is None:
            return
        told = self._told.get(intent_id)
        if told is None:
            if letter == "o" and intent_id not in self._plain:
                self._plain.add(intent_id)
                return
            if letter == "c" and intent_id in self._plain:
                self._plain.discard(intent_id)
                return
            told = self._told[intent_id] = defaultdict(str)
            if intent_id in self._plain:  # its beginning stands in this chain, or in one that was read before
                self._plain.discard(intent_id)
                told[writer] = "o"
        told[writer] += letter

    def running(self) -> set[str]:
        """Intents that some process runs, by what the chains say."""
        return self._plain | {intent_id for intent_id, told in self._told.items() if self._ends(told) == {RUNNING}}

    def waiting(self) -> set[str]:
        """Intents that wait for a person."""
        return {intent_id for intent_id, told in self._told.items() if self._ends(told) == {WAITING}}

    def impossible(self) -> Iterator[tuple[str, str]]:
        """Intents whose entries no intent can have together, with what they tell."""
        for intent_id, told in self._told.items():
            known = "".join(told.values())
            if not set(known) <= {"o", "c"} and (self._whole or "o" in known) and not self._ends(told):
                yield intent_id, "; ".join(f"{writer}: {', '.join(_NAMES[letter] for letter in letters)}" for writer, letters in sorted(told.items()))

    def _ends(self, told: Mapping[str, str]) -> frozenset[str]:
        known = "".join(told.values())
        begins = {NEW} if self._whole or "o" in known else {NEW, RUNNING, WAITING}
        return ends(tuple(told.values()), frozenset(begins))


_NAMES: Final = {letter: kind for kind, letter in _LETTERS.items()}


@lru_cache(maxsize=4096)  # most intents that wait take one of a few courses
def ends(chains: tuple[str, ...], begins: frozenset[str]) -> frozenset[str]:
    """Where an intent can have come to, if each chain's entries are in order and those of different chains in any; nowhere where there is no such course."""
    ways = {((0,) * len(chains), begin) for begin in begins}
    for _ in range(sum(map(len, chains))):
        following = set()
        for places, state in ways:
            for at, place in enumerate(places):
                to = _MOVES.get((state, chains[at][place])) if place < len(chains[at]) else None
                if to is not None:
                    following.add(((*places[:at], place + 1, *places[at + 1 :]), to))
        if len(following) > _MOST_WAYS:
            return _by_count("".join(chains))
        ways = following
    return frozenset(state for _, state in ways)


def _by_count(known: str) -> frozenset[str]:
    """The same of so many entries that their orders cannot all be looked at: nobody is accused then."""
    if "c" in known:
        return frozenset({ENDED})
    return frozenset({WAITING if known.count("p") > known.count("r") else RUNNING})
