from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.records.courses import ENDED, NEW, RUNNING, WAITING, Courses, ends

KINDS = {"o": "opened", "p": "parked", "d": "decided", "r": "resumed", "c": "closed"}


def courses(*chains: str, whole: bool = True) -> Courses:
    """What chains tell of one intent: a letter an entry."""
    told = Courses(whole=whole)
    for number, letters in enumerate(chains):
        for letter in letters:
            told.note("i", f"w{number}", KINDS[letter])
    return told


@st.composite
def lives(draw: st.DrawFn) -> str:
    """A course that an intent can take, to its end or to somewhere on the way."""
    life = "o"
    for _ in range(draw(st.integers(0, 4))):
        life += "p" + "d" * draw(st.integers(0, 3)) + "r"
    if draw(st.booleans()):
        life += "p" + "d" * draw(st.integers(0, 2))
    return life + draw(st.sampled_from(["", "c"]))


def where(life: str) -> tuple[set[str], set[str]]:
    """Whether the intent of such a course runs, and whether it waits."""
    last = life.replace("d", "")[-1]
    return ({"i"} if last in "or" else set()), ({"i"} if last == "p" else set())


@given(lives())
def test_every_course_that_an_intent_can_take_is_known_in_one_chain(life: str) -> None:
    told = courses(life)
    assert (told.running(), told.waiting()) == where(life)
    assert list(told.impossible()) == []


@given(lives(), st.data())
def test_it_is_known_however_its_entries_stand_in_the_chains_of_several_processes(life: str, data: st.DataObject) -> None:
    writers = data.draw(st.lists(st.integers(0, 2), min_size=len(life), max_size=len(life)))
    writers[1:2] = writers[:1] * len(life[1:2])  # who has opened it ends it or parks it first
    chains = ["".join(letter for letter, writer in zip(life, writers, strict=True) if writer == number) for number in range(3)]
    told = courses(*chains)
    assert list(told.impossible()) == []
    assert (told.running(), told.waiting()) == where(life)


@pytest.mark.parametrize(
    ("chains", "running", "waiting"),
    [
        (("op", "drc"), False, False),
        (("op", "d", "rpd", "r"), True, False),
        (("rc", "opd"), False, False),
        (("c", "opd"), False, False),
        (("opr", "p"), False, True),
        (("c", "o"), False, False),
    ],
)
def test_processes_of_any_order_of_name_tell_one_course(chains: tuple[str, ...], running: bool, waiting: bool) -> None:
    told = courses(*chains)
    assert (bool(told.running()), bool(told.waiting()), list(told.impossible())) == (running, waiting, [])


@pytest.mark.parametrize("chains", [("p",), ("or",), ("od",), ("opp",), ("oprr",), ("opcr",), ("ocp",), ("opcc",), ("opr", "r"), ("op", "c", "c"), ("opo",)])
def test_what_no_intent_can_do_is_told(chains: tuple[str, ...]) -> None:
    told = courses(*chains)
    ((intent_id, said),) = told.impossible()
    assert intent_id == "i"
    assert said.startswith("w")
    assert (told.running(), told.waiting()) == (set(), set())


@pytest.mark.parametrize(
    ("letters", "running", "waiting"), [("r", True, False), ("p", False, True), ("rp", False, True), ("pr", True, False), ("d", False, True), ("dc", 0, 0)]
)
def test_a_part_of_the_chains_accuses_nobody_whose_beginning_it_does_not_have(letters: str, running: bool, waiting: bool) -> None:
    told = courses(letters, whole=False)
    assert (bool(told.running()), bool(told.waiting()), list(told.impossible())) == (running, waiting, [])


def test_a_part_that_has_the_beginning_is_judged() -> None:
    assert len(list(courses("opp", whole=False).impossible())) == 1


def test_so_many_entries_that_nobody_can_lay_them_side_by_side_are_counted() -> None:
    chains = ("o" + "pr" * 40, "pr" * 40, "pr" * 40, "pr" * 40)
    assert ends(chains, frozenset({NEW})) == {RUNNING}
    assert ends((chains[0] + "p", *chains[1:]), frozenset({NEW})) == {WAITING}
    assert ends((chains[0] + "c", *chains[1:]), frozenset({NEW})) == {ENDED}


def test_other_entries_and_other_intents_make_no_difference() -> None:
    told = Courses(whole=True)
    for kind in ("genesis", "opened", "erased", "corrected", "closed"):
        told.note("one", "w", kind)
    told.note("other", "w", "opened")
    assert (told.running(), told.waiting(), list(told.impossible())) == ({"other"}, set(), [])
