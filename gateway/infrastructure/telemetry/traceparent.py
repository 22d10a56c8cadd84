"""The ``traceparent`` header of W3C Trace Context level 1, parsed strictly, and new ids.

``tracestate`` is neither kept nor sent on: it is free text of the caller that nobody scans, so it must reach neither the model nor the traces.
"""

from __future__ import annotations

import os
import random
import re
from typing import NamedTuple

# Section 3.2.2 of the recommendation: lower-case hexadecimal, version ff is invalid, version 00 ends after the flags,
# a later version may add fields after another dash.
_HEADER = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-[\x20-\x7e]*)?")
_MAX_LENGTH = 512
_RANDOM = random.Random(os.urandom(16))  # noqa: S311 - ids must be unique, not secret


class Parent(NamedTuple):
    """The caller's span: 32 and 16 lower-case hexadecimal digits."""

    trace_id: str
    span_id: str


def parse(header: str | None) -> Parent | None:
    """The parent that the header names, or ``None`` where there is none or it breaks the recommendation.

    The sampled flag is not looked at: whether intents are traced is the operator's decision, never the caller's.
    """
    if header is None or len(header) > _MAX_LENGTH:
        return None
    match = _HEADER.fullmatch(header)
    if match is None or (match[1] == "00" and match[4] is not None):
        return None
    return Parent(match[2], match[3])


def render(trace_id: str, span_id: str) -> str:
    """The header for a call made within a span of ours; always sampled, because we record every intent."""
    return f"00-{trace_id}-{span_id}-01"


def new_trace_id() -> str:
    """32 random hexadecimal digits, not all zero."""
    return f"{_RANDOM.getrandbits(128) or 1:032x}"


def new_span_id() -> str:
    """16 random hexadecimal digits, not all zero."""
    return f"{_RANDOM.getrandbits(64) or 1:016x}"
