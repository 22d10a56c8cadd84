"""What is declared (``docs/routing.md``, ``docs/schemas.md``) where a provider fails: each fault, each response of a route, and what the two give."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

import orjson

RETRY_AFTER_MAX_S = 3
SECOND = "second"
ANSWER = '{"city": "Utrecht", "people": 3, "note": "unmistakable words"}'
LAST_RESORT = '{"city":"nowhere","people":0}'
KNOWN_COST = 20_000
"""Of an answer that ended: 10 tokens of input at 1,000 micro-USD, 5 of output at 2,000."""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}, "note": {"type": "string"}},
    "required": ["city", "people"],
}
ASKED: dict[str, Any] = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}

LIMITED, DOWN, BAD, CUT, LATE, REJECTED = (
    f"upstream.{word}" for word in ("rate_limited", "unavailable", "malformed", "cut", "timeout", "rejected")
)  # fmt: skip
INVALID = "answer.schema_invalid"
STATUS = {LIMITED: 429, DOWN: 502, BAD: 502, CUT: 502, LATE: 504, REJECTED: 502, INVALID: 502}
"""What the caller gets for each code; a rejection here is one of the gateway's own key."""
PASSES = {DOWN, BAD, CUT}
"""What may have passed by the next call: the same target is asked again. A 429 only where it says when."""
BLAMED = {DOWN, BAD, CUT, LATE, REJECTED}
"""What counts for the target's breaker."""


class Mode(StrEnum):
    PLAIN = "plain"
    PASS = "pass"
    BUFFERED = "buffered"


class Response(StrEnum):
    """What the route declares."""

    WORKS = "works"
    """One target, which may be asked once more, and fails once only."""
    RETRY = "retry"
    """The same, and it keeps failing."""
    FALLBACK = "fallback"
    """Another target stands behind it, which is fine."""
    NONE = "none"
    LAST = "last"
    """Nothing but a last resort."""


ROUTES = {
    Response.WORKS: "targets: [{target: TARGET}], retries: {max: 1, backoff_s: 0.001, retry_after_max_s: 3}, repair: {asks: 1}",
    Response.RETRY: "targets: [{target: TARGET}], retries: {max: 1, backoff_s: 0.001, retry_after_max_s: 3}, repair: {asks: 1}",
    Response.FALLBACK: f"targets: [{{target: TARGET}}, {{target: {SECOND}}}], retries: {{max: 0}}, repair: {{asks: 0}}",
    Response.NONE: "target: TARGET, retries: {max: 0}, repair: {asks: 0}",
    Response.LAST: f"target: TARGET, retries: {{max: 0}}, repair: {{asks: 0}}, last_resort: {LAST_RESORT.replace(':', ': ')}",
}


class Fault(NamedTuple):
    """A fault, and the code that an attempt ends with: of an answer that comes whole, and of a stream."""

    how: str
    plain: str | None
    stream: str | None
    says: bool = False
    """Whether a stream has said something before it fails."""
    after_s: int | None = None
    """The Retry-After that it names."""
    content: bool = False
    """A good answer with the wrong content: it is asked for with a schema, so no stream passes."""
    extracted: bool = False
    """The JSON can be taken out of it."""

    @property
    def breaks(self) -> bool:
        """Whether the answer breaks its schema."""
        return self.content and not self.extracted

    def code(self, mode: Mode) -> str | None:
        return self.plain if mode is Mode.PLAIN else self.stream

    @property
    def comes_back(self) -> bool:
        """Whether the target is asked again, where the route says so."""
        if self.after_s is not None:
            return self.after_s <= RETRY_AFTER_MAX_S
        return self.breaks or self.plain in PASSES or self.stream in PASSES


FAULTS = (
    Fault("status: 429", LIMITED, LIMITED),
    Fault("status: 429, retry_after: 0", LIMITED, LIMITED, after_s=0),
    Fault("status: 429, retry_after: 7", LIMITED, LIMITED, after_s=7),
    Fault("status: 500", DOWN, DOWN),
    Fault("status: 503, retry_after: 0", DOWN, DOWN, after_s=0),
    Fault("status: 503, retry_after: 7", DOWN, DOWN, after_s=7),
    Fault("status: 401", REJECTED, REJECTED),
    Fault("reset: before", DOWN, DOWN),
    Fault("reset: middle", CUT, CUT, says=True),
    Fault("slow: header", LATE, LATE),
    Fault("slow: first_token", LATE, LATE),
    Fault("slow: middle", LATE, LATE, says=True),
    Fault("malformed: html", BAD, BAD),
    Fault("malformed: json", BAD, BAD, says=True),
    Fault("malformed: http", BAD, BAD),
    Fault("malformed: error_event", BAD, BAD, says=True),
    Fault("malformed: not_object", BAD, BAD),
    Fault("malformed: no_choices", BAD, CUT),
    Fault("malformed: wrong_kind", BAD, BAD),
    Fault("cut: no_finish", BAD, CUT, says=True),
    Fault("cut: close", CUT, CUT, says=True),
    Fault("cut: no_done", CUT, None),
    *(Fault(f"content: {what}", None, None, content=True) for what in ("html", "prose", "empty", "nothing", "half")),
    Fault("content: fenced", None, None, content=True, extracted=True),
)


class Case(NamedTuple):
    """A fault and the response that is declared; it has a target and a route of its own, so that no case sees what became of another."""

    fault: Fault
    response: Response

    @property
    def name(self) -> str:
        return f"t{FAULTS.index(self.fault)}-{self.response}"

    @property
    def target(self) -> str:
        hasty = ", limits: {connect_s: 2, first_token_s: 0.6, total_s: 1}" if "slow" in self.fault.how else ""
        price = "price: {input_usd_per_mtok: 1000, output_usd_per_mtok: 2000}"
        return f"model: {self.name}, {price}, breaker: {{failures: 2, window_s: 3600, open_s: 3600}}{hasty}"

    @property
    def route(self) -> str:
        return f"  {self.name}: {{{ROUTES[self.response].replace('TARGET', self.name)}}}\n"

    @property
    def rule(self) -> str:
        """Chunks come one by one where a stream is to say something before it fails."""
        pace, once = 2 if self.fault.says else 0, ", times: 1" if self.response is Response.WORKS else ""
        fault = f"fault: {{{self.fault.how}{once}}}"
        return f"  - {{when: {{model: {self.name}}}, reply: '{ANSWER}', usage: {{input: 10, output: 5}}, chunks: 16, pace_ms: {pace}, {fault}}}\n"

    def body(self, mode: Mode) -> dict[str, Any]:
        asked = {"response_format": ASKED} if self.fault.content else {}
        return {"model": self.name, "messages": [{"role": "user", "content": "the unmistakable prompt"}], "stream": mode is not Mode.PLAIN, **asked}


CASES = tuple(Case(fault, response) for fault in FAULTS for response in Response)


class Made(NamedTuple):
    """A call of a target: who, why, how it ended, and what is known of its cost."""

    target: str
    purpose: str
    error: str | None
    cost: int | str | None
    """``estimated`` where a stream broke off that had said something; ``None`` where nobody said."""


class Expected(NamedTuple):
    """What a case has to give."""

    code: str | None
    """Of the error that the caller is told."""
    midway: bool
    """It is told within a stream that has begun."""
    made: tuple[Made, ...]
    text: str | None
    target: str
    fallback: bool
    last_resort: bool
    repairs: tuple[str, ...]
    breaker: str

    @property
    def state(self) -> str:
        return "failed" if self.code else "completed"

    @property
    def status(self) -> int:
        """On the record; the caller of a stream that has begun has its 200 already."""
        return STATUS[self.code] if self.code else 200


def expected(case: Case, mode: Mode) -> Expected:
    """What is declared for ``case``."""
    fault, response, code = case.fault, case.response, case.fault.code(mode)
    failed = fault.breaks or code is not None
    left = code is not None and fault.says and mode is Mode.PASS
    asked_again = failed and not left and fault.comes_back and response in {Response.WORKS, Response.RETRY}
    others = failed and not left and response is Response.FALLBACK
    fixed = failed and not left and response is Response.LAST
    mended = (asked_again and response is Response.WORKS) or others
    broke = Made(case.name, "first", code, _cost(fault, mode))
    made = [broke]
    if asked_again:
        fine = Made(case.name, "repair" if fault.breaks else "retry", None, KNOWN_COST)
        made.append(fine if mended else broke._replace(purpose=fine.purpose))
    if others:
        made.append(Made(SECOND, "fallback", None, KNOWN_COST))
    blamed = sum(one.error in BLAMED for one in made)
    return Expected(
        code=(code or INVALID) if failed and not mended and not fixed else None,
        midway=left,
        made=tuple(made),
        text=LAST_RESORT if fixed else ANSWER if mended or not failed else None,
        target="last_resort" if fixed else made[-1].target,
        fallback=others or fixed,
        last_resort=fixed,
        repairs=_repairs(fault, asked_again=asked_again, others=others),
        breaker="open" if blamed >= 2 else "closed",
    )


def _cost(fault: Fault, mode: Mode) -> int | str | None:
    if fault.code(mode) is None:
        return KNOWN_COST
    return "estimated" if fault.says and mode is not Mode.PLAIN else None


def _repairs(fault: Fault, *, asked_again: bool, others: bool) -> tuple[str, ...]:
    if fault.extracted:
        return ("extracted",)
    if not fault.breaks:
        return ()
    return ("asked",) * asked_again + ("replaced",) * others


def script() -> str:
    """What the provider does."""
    return "rules:\n" + "".join(case.rule for case in CASES) + f"  - {{reply: {orjson.dumps(ANSWER).decode()}, usage: {{input: 10, output: 5}}}}\n"
