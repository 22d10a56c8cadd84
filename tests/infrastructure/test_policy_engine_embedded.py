"""The border to the embedded engine: nothing of it leaks, whatever happens."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import regorus

from gateway.infrastructure.policy_engine_embedded import UNDEFINED, EmbeddedEngine, EngineError


def engine_of(rules: str, data: str = "{}") -> EmbeddedEngine:
    return EmbeddedEngine({"a.rego": f"package a\n\n{rules}\n"}, data)


@pytest.mark.parametrize(
    ("rules", "document", "value"),
    [
        ("v := input.x", '{"x": [1, "a", null, true]}', [1, "a", None, True]),
        ("v := {1, 2}", "{}", [1, 2]),
        ("v := data.t.x", "{}", 3),
        ("v := input.x", "{}", UNDEFINED),
        ("w := 1", "{}", UNDEFINED),
        ("v := null", "{}", None),
    ],
)
def test_a_value_is_decoded_and_no_value_is_told_from_null(rules: str, document: str, value: Any) -> None:
    assert engine_of(rules, '{"t": {"x": 3}}').evaluate("data.a.v", document) == value


@pytest.mark.parametrize(
    ("rules", "document", "kind", "line"),
    [
        ("v := [", "{}", "syntax", 4),
        ("v := 1 / input.x", '{"x": 0}', "error", 3),
        ("v := no.such(1)", "{}", "error", 3),
        ("v := 1", '{"x": NaN}', "error", 0),
        ("v := 1", '{"x": "\\ud800"}', "error", 0),
        ("v := 1", "", "error", 0),
        ("v := sprintf(`%s`, [concat(``, [x | x := input.x[_]])])", '{"x": ["' + "y" * 2000 + '"]}', "size", 0),
    ],
)
def test_every_failure_is_one_error_with_its_kind_and_place(rules: str, document: str, kind: str, line: int) -> None:
    with pytest.raises(EngineError) as caught:
        engine_of(rules).evaluate("data.a.v", document, max_chars=1_000)
    assert (caught.value.kind, caught.value.line) == (kind, line)
    assert "backtrace" not in caught.value.detail.lower()


def test_a_real_panic_of_the_engine_stays_inside() -> None:
    made: list[Any] = []
    worker = threading.Thread(target=lambda: made.append(regorus.Engine()))
    worker.start()
    worker.join()
    engine = engine_of("v := 1")
    engine._local.engine = made[0]  # an engine of another thread panics when it is touched
    with pytest.raises(EngineError) as caught:
        engine.evaluate("data.a.v", "{}")
    assert caught.value.kind == "panic"
    assert engine.evaluate("data.a.v", "{}") == 1


def test_threads_may_share_it() -> None:
    engine = engine_of("v := input.x")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda x: engine.evaluate("data.a.v", f'{{"x": {x}}}'), range(50))) == list(range(50))


def test_one_input_leaves_nothing_for_the_next() -> None:
    engine = engine_of("v := input.x if w\n\nw if input.y")
    assert engine.evaluate("data.a.v", '{"x": 1, "y": true}') == 1
    assert engine.evaluate("data.a.v", '{"x": 2}') is UNDEFINED
    assert engine.evaluate("data.a.v", '{"y": true}') is UNDEFINED


def test_prints_are_gathered_and_the_keyboard_still_interrupts(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of('v if print("hello", input.x)')
    engine.evaluate("data.a.v", '{"x": 1}')
    assert "hello 1" in engine.take_prints()[0]
    assert capfd.readouterr().err == ""

    class Interrupted:
        def set_input_json(self, document: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(engine._local, "engine", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        engine.evaluate("data.a.v", "{}")
