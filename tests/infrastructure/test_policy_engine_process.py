"""An engine in a process of its own: the same answers, and nothing that a policy does there can hurt here."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from gateway.infrastructure.policy_engine_embedded import UNDEFINED, EmbeddedEngine, EngineError
from gateway.infrastructure.policy_engine_process import ProcessEngine

RULES = """package a

import rego.v1

v := input.x

n := null

zero := 1 / input.x

long := concat("", [x | some x in input.x])

slow := count([1 | some i in numbers.range(1, 4000); some j in numbers.range(1, 4000); i * j == -1])
"""
DATA = '{"t": {"x": 3}}'


@pytest.fixture
def engine() -> Iterator[ProcessEngine]:
    made = ProcessEngine({"a.rego": RULES}, DATA, limit_s=0.5)
    yield made
    made.close()


def child_of(engine: ProcessEngine) -> int:
    assert engine._process is not None
    return engine._process.pid


@pytest.mark.parametrize(("rule", "document"), [("data.a.v", '{"x": [1, "é", null]}'), ("data.a.v", "{}"), ("data.a.n", "{}"), ("data.t", "{}")])
def test_it_says_what_the_engine_in_this_process_says(engine: ProcessEngine, rule: str, document: str) -> None:
    here: Any = EmbeddedEngine({"a.rego": RULES}, DATA).evaluate(rule, document)
    said = engine.evaluate(rule, document)
    assert (said is UNDEFINED) == (here is UNDEFINED)
    assert said is here or said == here


@pytest.mark.parametrize(
    ("rule", "document", "kind", "line"),
    [("data.a.zero", '{"x": 0}', "error", 9), ("data.a.v", "{", "error", 0), ("data.a.long", '{"x": ["' + "y" * 5_000 + '"]}', "size", 0)],
)
def test_a_failure_has_its_kind_and_place_and_quotes_nothing(engine: ProcessEngine, rule: str, document: str, kind: str, line: int) -> None:
    with pytest.raises(EngineError) as caught:
        engine.evaluate(rule, document, max_chars=1_000)
    assert (caught.value.kind, caught.value.line, caught.value.detail) == (kind, line, "")
    assert engine.evaluate("data.a.v", '{"x": 1}') == 1


def test_what_takes_too_long_is_killed_and_the_next_question_is_answered(engine: ProcessEngine) -> None:
    assert engine.evaluate("data.a.v", '{"x": 1}') == 1
    child = child_of(engine)
    with pytest.raises(EngineError) as caught:
        engine.evaluate("data.a.slow", "{}")
    assert caught.value.kind == "timeout"
    assert not psutil.pid_exists(child)
    assert engine.evaluate("data.a.v", '{"x": 2}') == 2


def test_a_child_that_dies_is_a_failure_and_the_next_one_is_new(engine: ProcessEngine) -> None:
    assert engine.evaluate("data.a.v", '{"x": 1}') == 1
    os.kill(child_of(engine), signal.SIGKILL)
    with pytest.raises(EngineError) as caught:
        engine.evaluate("data.a.v", '{"x": 1}')
    assert caught.value.kind == "panic"
    assert engine.evaluate("data.a.v", '{"x": 2}') == 2


def test_memory_is_limited() -> None:
    engine = ProcessEngine({"a.rego": RULES}, DATA, limit_s=5.0, memory_bytes=60 << 20)
    try:
        with pytest.raises(EngineError):
            engine.evaluate("data.a.v", '{"x": [' + ",".join(['"yyyyyyyyyyyyyyyyyyyy"'] * 1_000_000) + "]}", max_chars=1_000)
    finally:
        engine.close()


def test_closing_ends_an_evaluation_that_runs_and_nothing_starts_again() -> None:
    engine = ProcessEngine({"a.rego": RULES}, DATA, limit_s=30.0)
    failed: list[str] = []

    def ask() -> None:
        try:
            engine.evaluate("data.a.slow", "{}")
        except EngineError as error:
            failed.append(error.kind)

    asking = threading.Thread(target=ask)
    asking.start()
    while engine._process is None:
        time.sleep(0.01)
    child = child_of(engine)
    engine.close()
    asking.join()
    assert failed == ["panic"]
    assert not psutil.pid_exists(child)
    with pytest.raises(EngineError):
        engine.evaluate("data.a.v", "{}")


def test_the_child_ends_with_its_parent_and_yields_to_it(engine: ProcessEngine) -> None:
    assert engine.evaluate("data.a.v", '{"x": 1}') == 1
    child = psutil.Process(child_of(engine))
    assert child.nice() == 10
    assert engine._socket is not None
    engine._socket.close()
    assert psutil.wait_procs([child], timeout=10)[1] == []


def test_it_can_be_made_ready_before_the_first_question(engine: ProcessEngine) -> None:
    engine.prepare()
    child = child_of(engine)
    assert engine.evaluate("data.a.v", '{"x": 1}') == 1
    assert child_of(engine) == child
    broken = ProcessEngine({"a.rego": "package a\n\nv := ["}, "{}", limit_s=1.0)
    with pytest.raises(EngineError) as caught:
        broken.prepare()
    broken.close()
    assert caught.value.kind == "syntax"
