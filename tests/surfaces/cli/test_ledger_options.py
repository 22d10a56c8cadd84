from __future__ import annotations

import time

import pytest

from gateway.surfaces.cli.ledger_options import clock, duration_ns, moment_ns

SECOND = 1_000_000_000


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("45m", 2_700), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600), ("0d", 0)])
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert duration_ns(text) == seconds * SECOND


@pytest.mark.parametrize("text", ["", "d", "30", "30y", "-1d", "1.5h", "30d ", "9999999d", "३d"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="such as 30d"):
        duration_ns(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970-01-02", 86_400), ("1970-01-01T00:00:05", 5), ("1970-01-01T01:00:00+01:00", 0), ("1970-01-01T00:00:00Z", 0)],
)
def test_a_moment_is_a_date_or_a_time_in_utc(text: str, seconds: int) -> None:
    assert moment_ns(text) == seconds * SECOND


def test_a_moment_is_a_duration_ago_too() -> None:
    before = time.time_ns()
    assert before - 60 * SECOND <= moment_ns("1m") <= time.time_ns() - 60 * SECOND


def test_a_clock_shows_seconds_in_utc() -> None:
    assert (clock(5 * SECOND), clock(None)) == ("1970-01-01 00:00:05Z", "-")
