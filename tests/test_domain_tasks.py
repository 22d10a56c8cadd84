from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import pytest

from gateway.domain import MOVES, State
from gateway.domain_tasks import ACTIONS, TASK_MOVES, Action, Mode, TaskState, is_same_name


def test_every_state_has_its_moves_and_final_states_have_none() -> None:
    assert set(MOVES) == set(State)
    assert {state for state, to in MOVES.items() if not to} == set(State) - {State.RECEIVED, State.RUNNING, State.PARKED}
    assert State.RECEIVED not in set().union(*MOVES.values())


def test_a_parked_intent_is_answered_only_by_running_again() -> None:
    assert State.COMPLETED not in MOVES[State.PARKED]
    assert State.RUNNING in MOVES[State.PARKED]


def test_every_task_can_be_decided_until_it_has_ended() -> None:
    assert set(TASK_MOVES) == set(TaskState)
    assert {state for state, to in TASK_MOVES.items() if TaskState.DECIDED in to} == {TaskState.OPEN, TaskState.CLAIMED}


def test_a_person_can_refuse_in_every_mode() -> None:
    assert set(ACTIONS) == set(Mode)
    assert all(Action.REFUSE in actions for actions in ACTIONS.values())


@pytest.mark.parametrize(("moves", "heading"), [(MOVES, "an intent that is"), (TASK_MOVES, "a task that is")])
def test_the_documented_moves_are_those_of_the_code(moves: Mapping[StrEnum, frozenset[StrEnum]], heading: str) -> None:
    text = Path("ARCHITECTURE.md").read_text("utf-8")
    rows = text.split(f"| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    told: dict[str, set[str]] = {}
    for row in rows:
        states, to = row.strip("|").split("|")
        for state in re.findall("`([a-z]+)`", states):
            told[state] = set(re.findall("`([a-z]+)`", to))
    assert told == {state.value: {one.value for one in to} for state, to in moves.items()}


@pytest.mark.parametrize("other", ["ada exámple", " Ada  Exámple ", "Ada\u00a0Exa\u0301mple", "A\u200bda Exámple\u200e", "\uff21da Exámple"])
def test_one_person_is_known_however_the_name_is_written(other: str) -> None:
    assert is_same_name("Ada Exámple", other)
    assert is_same_name(other, "Ada Exámple")


@pytest.mark.parametrize(("one", "other"), [("", ""), (" ", "\u200b"), ("Ada", ""), ("Ada", "Adam"), ("Ada B", "AdaB")])
def test_another_name_or_none_is_nobody_known(one: str, other: str) -> None:
    assert not is_same_name(one, other)
