from __future__ import annotations

from typing import Any

from gateway.capabilities.redaction.leaves import Walk, path
from gateway.capabilities.redaction.scanning import Clean, CleanTexts, CleanWords
from gateway.capabilities.redaction.shapes import Role
from gateway.domain import Finding, Json


class Counting:
    """Finds ``canary`` and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []

    def scan(self, text: str, *, key: str | None = None) -> tuple[Finding, ...]:
        self.asked.append((text, key))
        start = text.find("canary")
        return () if start < 0 else (Finding("WORD", start, start + 6),)


def clean() -> Clean:
    return Clean(CleanTexts(100), CleanWords(100))


def request(text: str) -> Json:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": "' + text + '"}'}}
    tools = [{"type": "function", "function": {"name": "f", "description": text}}]
    return {"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}], "tools": tools}


def test_what_is_sent_again_and_was_clean_is_not_scanned_again() -> None:
    scanner, known = Counting(), clean()
    Walk(scanner.scan, known).over_parameters(request("fine"))
    assert ("fine", None) in scanner.asked
    scanner.asked.clear()
    Walk(scanner.scan, known).over_parameters(request("fine"))
    assert scanner.asked == []


def test_what_holds_something_is_scanned_every_time() -> None:
    scanner, known = Counting(), clean()
    for _ in range(2):
        walk = Walk(scanner.scan, known)
        body = request("a canary")
        walk.over_parameters(body)
        walk.over_message(0, body["messages"][0])
        assert sorted(str(path(leaf.link)) for leaf in walk.leaves) == [
            "['messages', 0, 'tool_calls', 0, 'function', 'arguments']",
            "['tools', 0, 'function', 'description']",
        ]


def test_prose_is_scanned_without_its_key_and_free_form_with_it() -> None:
    scanner = Counting()
    value: Any = {"content": "a", "metadata": {"ssn": ["b", {"c": "d"}]}}
    Walk(scanner.scan, clean()).over(value, Role.FREE)
    assert {("a", None), ("b", "ssn"), ("d", "c")} <= set(scanner.asked)
