"""The script of the simulated provider: ordered rules, the first that matches a request answers it; an echo where none does.

models: [simulated-1]
rules:
  - name: volunteers an address
    when: {contains: directory, stream: true}         # in the last user text; also model, tool_result, header: {NAME: VALUE}; all must hold
    #     anywhere: in any message; response_format: json_schema | json_object, as the request asks
    times: 3                                           # only the first 3 requests that match; then the rules below have their turn
    extract: {ticket: 'T-[0-9]+'}                      # first match in the request's texts, quoted as {ticket}
    reply: "Write to {placeholder:EMAIL_ADDRESS} about {ticket}."   # {echo}: the last user text, {last_tool_result}
    #     replies: [first, second]  in the place of reply: one a request, in order, the last one again and again. A fault uses none up.
    #     refusal: "I cannot"       in the place of reply: the model refuses, with no content
    chunks: 8                                          # characters a chunk, or the list of chunk texts (they are the reply then)
    first_token_ms: 50
    pace_ms: 10                                        # between chunks; 0 sends all of them in one write
    tool_calls: [{name: find, arguments: {email: '{placeholder:EMAIL_ADDRESS}'}}]
    usage: given                                       # given | omitted | absurd | {input: 10, output: 5, cached: 2}
    logprobs: true                                     # also without being asked; or what each chunk has: -0.05, or [-0.1, -2.3] in turn
    finish_reason: stop
    choices: 1                                         # at least; a request may ask for more with n
    fault: {status: 429, retry_after: 7, times: 1}     # see faults.py; only the first N times
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

FAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    "status": (),
    "reset": ("before", "middle"),
    "slow": ("header", "first_token", "middle"),
    "malformed": (
        "json", "sse", "html", "http", "content_type", "encoding", "error_body", "error_event", "no_choices", "not_object", "wrong_kind", "long_event",
    ),
    "cut": ("no_finish", "no_done", "close"),
    "huge": (),
    "content": ("html", "prose", "empty", "nothing", "fenced", "half"),
}  # fmt: skip
"""The kinds of fault, each with the values that it takes; ``status`` takes an HTTP status, ``huge`` a number of bytes."""

FORMATS: Final = ("json_schema", "json_object")
"""The types of ``response_format`` that a rule can ask about."""
DEFAULT_LOGPROB: Final = -0.5

USAGES: Final = ("given", "omitted", "absurd")

TEMPLATE: Final = re.compile(r"\{(echo|last_tool_result|placeholder:[A-Z][A-Z_]*|[a-z][a-z0-9_]*)\}")


class ScriptError(Exception):
    """The script is not usable; ``problems`` has a line ``FILE:LINE: what is wrong`` for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The conditions of a rule; ``None`` does not care."""

    model: str | None = None
    contains: str | None = None
    anywhere: str | None = None
    response_format: str | None = None
    tool_result: bool | None = None
    stream: bool | None = None
    header: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong: ``kind`` is a key of ``FAULTS``."""

    kind: str
    value: str | int
    retry_after: str | None = None
    hang_s: float = 3600.0
    times: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that the model asks for; strings within ``arguments`` may quote."""

    name: str
    arguments: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUsage:
    """Tokens to report, whatever the texts are."""

    input: int
    output: int
    cached: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. Times are milliseconds."""

    name: str = "echo"
    when: When = field(default_factory=When)
    extract: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    reply: str | None = "{echo}"
    """``None`` where only tools are called."""
    replies: tuple[str, ...] = ()
    """What is said in the place of ``reply``, one request after the other; the last one stays."""
    refusal: str | None = None
    chunks: int | tuple[str, ...] = 8
    first_token_ms: int = 0
    pace_ms: int = 0
    tool_calls: tuple[ToolCall, ...] = ()
    usage: str | GivenUsage = "given"
    logprobs: tuple[float, ...] = ()
    """Natural logarithms of probabilities, one for each chunk in turn; empty where none are given without being asked."""
    finish_reason: str | None = None
    choices: int = 1
    fault: Fault | None = None
    times: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A whole script."""

    models: tuple[str, ...] = ("simulated-1",)
    rules: tuple[Rule, ...] = ()
