"""Structured logs: one line per event, constant event names, ids as fields, JSON or console, for our lines and those of libraries alike.

A safety net keeps content out, whoever logs: of an exception only its type and the frames (module, function, line) are shown, never its
message or locals, unless it is one of ``gateway.errors``, whose messages quote nothing; of a library's line only the constant template.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from gateway.errors import GatewayError

Logger = FilteringBoundLogger
"""``log.info("event.name", field=...)``; what holds content is never a field."""

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_MAX_FRAMES = 20
_MAX_CAUSES = 5
_MAX_TEMPLATE = 200
_REASONS = 64

_intent: ContextVar[tuple[str, str] | None] = ContextVar("intent", default=None)


def get_logger() -> Logger:
    """A logger that may be made at import: it takes the configuration of the moment at which it is used."""
    return cast("Logger", structlog.get_logger())


def bind_intent(trace_id: str, intent_id: str) -> None:
    """Put both ids on every line that this task and the tasks that it starts log from now on."""
    _intent.set((trace_id, intent_id))


def configure_logging(output: str, level: str) -> None:
    """Set up the gateway's logs and those of every library, on standard error.

    Args:
        output: ``json`` or ``console``.
        level: ``debug``, ``info``, ``warning`` or ``error``. Libraries are heard from ``warning`` on.
    """
    threshold = _LEVELS[level]
    stream = _Stream()
    shared: list[Processor] = [
        _add_ids,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _describe_exception,
    ]
    renderer = _render_json if output == "json" else cast("Processor", structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", stream)),
        cache_logger_on_first_use=False,
    )
    handler: logging.Handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[_describe_library_line, *shared],
            keep_exc_info=False,
            keep_stack_info=False,
            pass_foreign_args=True,
            use_get_message=False,
        )
    )
    _route_libraries(handler, threshold)


class _Stream:
    """Standard error as it is at the moment; a closed pipe loses lines, and fails nobody."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def _route_libraries(handler: logging.Handler, threshold: int) -> None:
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.NOTSET)
    # Its lines quote paths with their query; the record and the trace tell more.
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate, access.disabled = [], False, True
    logging.captureWarnings(True)
    # What logging prints when a line cannot be formatted would quote its arguments.
    logging.raiseExceptions = False


def _render_json(_logger: Any, _method: str, event: EventDict) -> str:
    try:
        return orjson.dumps(event, default=_unknown).decode()
    except TypeError:  # a lone surrogate or an integer over 64 bits must not fail whoever logs
        return json.dumps(event, default=_unknown)


def _unknown(value: object) -> str:
    return f"<{type(value).__name__}>"


def _add_ids(_logger: Any, _method: str, event: EventDict) -> EventDict:
    ids = _intent.get()
    if ids is not None:
        event.setdefault("trace_id", ids[0])
        event.setdefault("intent_id", ids[1])
    return event


def _describe_library_line(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """A library's line: ``library.message`` with its logger and the first line of its template, without arguments."""
    record: logging.LogRecord = event["_record"]
    event.pop("positional_args", None)
    template = record.msg if isinstance(record.msg, str) and record.name != "py.warnings" else type(record.msg).__name__
    event["event"] = "library.message"
    event["logger"] = record.name
    event["line"] = f"{record.module}:{record.lineno}"
    event["template"] = template.split("\n", 1)[0][:_MAX_TEMPLATE]
    return event


def _describe_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replace ``exc_info`` by the error's type, its causes' types and where it was raised."""
    given = event.pop("exc_info", None)
    event.pop("stack_info", None)
    error = _exception(given)
    if error is None:
        return event
    event["error_type"] = _type_name(error)
    if isinstance(error, GatewayError):
        event["error_message"] = error.message
    event["frames"] = _frames(error.__traceback__)
    causes = _causes(error)
    if causes:
        event["causes"] = causes
    return event


def _exception(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple) and len(given) == 3 and isinstance(given[1], BaseException):
        return given[1]
    return sys.exc_info()[1] if given else None


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _causes(error: BaseException) -> list[str]:
    causes: list[str] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < _MAX_CAUSES:
        causes.append(_type_name(cause))
        cause = cause.__cause__ or cause.__context__
    return causes


def _frames(traceback: TracebackType | None) -> list[str]:
    """``module:function:line``, the innermost last."""
    frames: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{traceback.tb_frame.f_globals.get('__name__', '?')}:{code.co_qualname}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return frames[-_MAX_FRAMES:]


class RateLimitedLog:
    """A warning that anyone can provoke, such as a rejected key: the first few per second and reason are logged, the rest are counted.

    The count stands as ``suppressed`` on the reason's first line of a later second, and ``flush`` logs what is still uncounted.
    """

    def __init__(self, event: str, per_second: int = 5, clock: Callable[[], float] = time.monotonic) -> None:
        self._event = event
        self._per_second = per_second
        self._clock = clock
        self._windows: dict[str, list[int]] = {}
        self._log = get_logger()

    def warning(self, reason: str, **fields: str | int | None) -> None:
        """Log the event with its reason, or count it. ``reason`` comes from a bounded set."""
        if reason not in self._windows and len(self._windows) >= _REASONS:
            reason = "other"
        now = int(self._clock())
        window = self._windows.setdefault(reason, [now, 0, 0])
        if window[0] != now:
            window[0], window[1] = now, 0
        if window[1] >= self._per_second:
            window[2] += 1
            return
        window[1] += 1
        suppressed, window[2] = window[2], 0
        if suppressed:
            fields["suppressed"] = suppressed
        self._log.warning(self._event, reason=reason, **fields)

    def flush(self) -> None:
        """Log the counts of what was held back; at shutdown, or now and then."""
        for reason, window in self._windows.items():
            if window[2]:
                self._log.warning(self._event, reason=reason, suppressed=window[2])
                window[2] = 0
