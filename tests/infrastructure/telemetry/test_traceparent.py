from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.infrastructure.telemetry import traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "header", [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-ff", f"01-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what=ever"]
)
def test_a_valid_header_names_the_parent_whatever_its_flags(header: str) -> None:
    assert traceparent.parse(header) == (TRACE, SPAN)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"01-{TRACE}-{SPAN}-01more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"0g-{TRACE}-{SPAN}-01",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-\u06601",
        f"01-{TRACE}-{SPAN}-01-" + "x" * 500,
    ],
)
def test_a_header_that_breaks_the_recommendation_is_no_parent(header: str | None) -> None:
    assert traceparent.parse(header) is None


@given(st.text())
def test_no_text_makes_the_parser_fail(header: str) -> None:
    parent = traceparent.parse(header)
    assert parent is None or header[3:35] == parent.trace_id


def test_what_is_rendered_parses_and_ids_do_not_repeat() -> None:
    ids = {(traceparent.new_trace_id(), traceparent.new_span_id()) for _ in range(1000)}
    assert len({trace for trace, _ in ids}) == len({span for _, span in ids}) == 1000
    assert all(traceparent.parse(traceparent.render(trace, span)) == (trace, span) for trace, span in ids)
