from __future__ import annotations

import asyncio
import gc
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from gateway.errors import UpstreamTimeout
from gateway.infrastructure.telemetry.logs import RateLimitedLog, bind_intent, configure_logging, get_logger

CANARY = "anna@example.com"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def json_logs() -> Iterator[None]:
    """Logs as in production, and afterwards the root logger as it was."""
    root = logging.getLogger()
    before = root.handlers, root.level
    configure_logging("json", "info")
    yield
    logging.captureWarnings(False)
    root.handlers, root.level = before


def lines(capsys: Capture) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_has_its_event_level_time_and_fields(capsys: Capture) -> None:
    get_logger().info("intent.closed", state="completed", tokens=3)
    get_logger().debug("intent.detail")
    [line] = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "intent.closed", "level": "info", "state": "completed", "tokens": 3}


async def test_ids_stand_on_every_line_of_their_task_and_of_no_other(capsys: Capture) -> None:
    async def intent(number: int) -> None:
        bind_intent(f"trace{number}", f"int_{number}")
        await asyncio.sleep(0)
        get_logger().info("step")
        logging.getLogger("somebody").warning("text")

    await asyncio.gather(intent(1), intent(2))
    get_logger().info("outside")
    *inside, outside = lines(capsys)
    assert sorted((line["trace_id"], line["intent_id"]) for line in inside) == [("trace1", "int_1")] * 2 + [("trace2", "int_2")] * 2
    assert "trace_id" not in outside


def fail() -> None:
    secret = CANARY
    raise ValueError(f"no such user {secret}")


@pytest.mark.parametrize("output", ["json", "console"])
def test_an_exception_is_told_by_type_and_place_and_never_by_its_message(output: str, capsys: Capture) -> None:
    configure_logging(output, "info")
    try:
        fail()
    except ValueError as error:
        get_logger().error("intent.crashed", exc_info=True)
        get_logger().error("intent.crashed", exc_info=error)
        logging.getLogger("library").exception("failed for %s", CANARY)
    text = capsys.readouterr().err
    assert CANARY not in text
    assert text.count("ValueError") == text.count("test_logs:fail:") == 3


def test_causes_are_told_by_their_types(capsys: Capture) -> None:
    try:
        try:
            fail()
        except ValueError as error:
            raise RuntimeError(CANARY) from error
    except RuntimeError:
        get_logger().error("intent.crashed", exc_info=True)
    [line] = lines(capsys)
    assert (line["error_type"], line["causes"]) == ("RuntimeError", ["ValueError"])
    assert CANARY not in str(line)


def test_our_own_errors_keep_their_message(capsys: Capture) -> None:
    get_logger().warning("attempt.failed", exc_info=UpstreamTimeout("The target did not answer in 5 s."))
    [line] = lines(capsys)
    assert (line["error_type"], line["error_message"]) == ("gateway.errors.UpstreamTimeout", "The target did not answer in 5 s.")


def test_a_library_s_line_shows_its_template_and_not_its_arguments(capsys: Capture) -> None:
    logging.getLogger("aiohttp.client").warning("bad header %r\nrest", CANARY)
    logging.getLogger("aiohttp.client").info("chatter")
    [line] = lines(capsys)
    assert (line["event"], line["logger"], line["template"], line["level"]) == ("library.message", "aiohttp.client", "bad header %r", "warning")


def test_uvicorn_is_heard_when_something_is_wrong_and_never_tells_what_was_asked(capsys: Capture) -> None:
    logging.getLogger("uvicorn.error").info("Uvicorn running on %s", "127.0.0.1:8080")
    logging.getLogger("uvicorn.error").error("[Errno 98] address in use")
    logging.getLogger("uvicorn.access").info('%s - "%s"', "127.0.0.1", f"GET /?q={CANARY}")
    [line] = lines(capsys)
    assert line["template"] == "[Errno 98] address in use"


def test_a_line_whose_arguments_do_not_fit_is_logged_without_them(capsys: Capture) -> None:
    logging.getLogger("library").error("port %d", CANARY)
    logging.getLogger("library").error("%d", CANARY)
    logging.getLogger("library").error(ValueError(CANARY))
    assert [line["template"] for line in lines(capsys)] == ["port %d", "%d", "ValueError"]


async def test_a_task_that_nobody_awaited_does_not_quote_its_exception(capsys: Capture) -> None:
    async def lost() -> None:
        raise ValueError(CANARY)

    task = asyncio.create_task(lost())
    await asyncio.sleep(0.01)
    del task
    gc.collect()
    [line] = lines(capsys)
    assert (line["template"], line["error_type"]) == ("Task exception was never retrieved", "ValueError")
    assert CANARY not in str(line)


def test_a_warning_s_text_is_not_shown(capsys: Capture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logging("json", "info")
        warnings.warn(CANARY, stacklevel=1)
    [line] = lines(capsys)
    assert (line["logger"], line["template"]) == ("py.warnings", "str")


def test_values_that_json_cannot_hold_do_not_fail_whoever_logs(capsys: Capture) -> None:
    get_logger().info("odd", surrogate="\ud800", big=1 << 80, thing=object())
    [text] = capsys.readouterr().err.splitlines()
    assert '"thing": "<object>"' in text


def test_a_closed_standard_error_fails_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    closed = (tmp_path / "log").open("w")
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert get_logger().info("into the void") is None


def test_a_flood_is_logged_a_few_times_per_second_and_reason_and_the_rest_counted(capsys: Capture) -> None:
    now = [10.0]
    log = RateLimitedLog("key.rejected", per_second=2, clock=lambda: now[0])
    for _ in range(100):
        log.warning("unknown", peer="192.0.2.1")
    log.warning("revoked")
    first = lines(capsys)
    assert [line["reason"] for line in first] == ["unknown", "unknown", "revoked"]
    assert first[0]["event"] == "key.rejected"
    now[0] = 11.5
    log.warning("unknown")
    [line] = lines(capsys)
    assert line["suppressed"] == 98
    for _ in range(5):
        log.warning("unknown")
    capsys.readouterr()
    log.flush()
    log.flush()
    [line] = lines(capsys)
    assert (line["reason"], line["suppressed"]) == ("unknown", 4)


def test_reasons_without_bound_share_one_window(capsys: Capture) -> None:
    log = RateLimitedLog("key.rejected", per_second=1, clock=lambda: 1.0)
    for number in range(200):
        log.warning(str(number))
    assert len(lines(capsys)) == 65
