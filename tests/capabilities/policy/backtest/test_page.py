from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from gateway.capabilities.policy.backtest.conditions import parse_condition
from gateway.capabilities.policy.backtest.page import draw
from gateway.capabilities.policy.backtest.report import as_json
from gateway.capabilities.policy.backtest.tally import Tally
from tests.capabilities.policy.backtest.outcomes import outcome, tallied

VOID = {"meta", "br", "hr"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</table></body>",
    "&lt;b&gt;",
    "'; drop",
    "<style>@import 'x'</style>",
    "\u202e\x00\x1b[2J",
]


class Page(HTMLParser):
    """The elements of a page, balanced, with their attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(rule: str = "access.team", *, tenant: str = "acme", route: str = "assistant") -> tuple[str, Page]:
    report = as_json(outcome(tallied(rule, tenant=tenant, route=route), tenants=(tenant,)))
    report["conditions"] = [parse_condition("new_denies > 1%").judge(report) | {"condition": rule}]
    text = draw(report)
    return text, Page(text)


def test_the_page_says_what_the_report_does() -> None:
    _, parsed = page()
    said = " ".join(parsed.texts)
    for wanted in (
        "Backtest of a policy",
        "Newly denied",
        "access.team",
        "int_0000000000000000000000000000",
        "subject.roles",
        "failed",
        "Escalations a day",
        "median",
    ):
        assert wanted in said


def test_nothing_is_fetched_and_nothing_runs() -> None:
    text, parsed = page()
    tags = {tag for tag, _ in parsed.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "form", "a", "base", "svg", "video", "audio"}
    attributes = {name for _, found in parsed.elements for name in found}
    assert attributes <= {"lang", "charset", "http-equiv", "content", "name", "class", "scope"}
    assert not re.search(r"https?:|//\w|url\(|@import|javascript:", text)
    policies = [found["content"] for tag, found in parsed.elements if found.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_name_is_text_and_nothing_else(hostile: str) -> None:
    _, calm = page()
    text, parsed = page(hostile, tenant=hostile, route=hostile)
    assert [tag for tag, _ in parsed.elements] == [tag for tag, _ in calm.elements]
    shown = "".join(char if char.isprintable() else "\ufffd" for char in hostile)
    assert shown in parsed.texts
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_it_prints_and_has_a_dark_side() -> None:
    text, _ = page()
    assert "@media print" in text
    assert "prefers-color-scheme: dark" in text


def test_a_window_without_decisions_says_so() -> None:
    assert "no recorded decisions" in " ".join(Page(draw(as_json(outcome(Tally())))).texts)
