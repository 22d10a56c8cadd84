"""What follows from a failed call: the same target again, another one, or the end; and whether the target is to blame.

One table for every class of ``gateway.errors``, so that a new class has to be thought about (a test enumerates them).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final, NamedTuple

from gateway import errors
from gateway.errors import GatewayError, UpstreamRejected

CONTEXT_LENGTH: Final = "upstream.context_length"
"""The code of an ``UpstreamRejected`` whose target said that the request is longer than its context window (``context_length_exceeded``)."""


class Then(StrEnum):
    """What to do after a failed call."""

    SAME = "same"
    """The same target again, after a pause: it may have passed."""
    AFTER = "after"
    """The same target once the time that it named has passed; another one if it named none, or too long a one."""
    OTHER = "other"
    """Another target: this one will not do better for this intent."""
    STOP = "stop"
    """Nothing more: no target would do better, or none may be asked."""


class Reaction(NamedTuple):
    """What follows from an error."""

    then: Then
    blames: bool
    """Whether it counts against the target's breaker."""


_AGAIN: Final = Reaction(Then.SAME, blames=True)
_HICCUP: Final = Reaction(Then.SAME, blames=False)
_ELSEWHERE: Final = Reaction(Then.OTHER, blames=False)
_BROKEN: Final = Reaction(Then.OTHER, blames=True)
_END: Final = Reaction(Then.STOP, blames=False)

REACTIONS: Final[Mapping[type[GatewayError], Reaction]] = {
    errors.GatewayError: _END,
    errors.InvalidRequest: _END,
    errors.PayloadTooLarge: _END,
    errors.HeadersTooLarge: _END,
    errors.UnsupportedMediaType: _END,
    errors.Unauthenticated: _END,
    errors.Forbidden: _END,
    errors.NotFound: _END,
    errors.MethodNotAllowed: _END,
    errors.Conflict: _END,
    errors.PayloadUnavailable: _END,
    errors.Indeterminate: _END,
    errors.Settled: _END,
    errors.PolicyDenied: _END,
    errors.Overloaded: _ELSEWHERE,  # the target's own limit of concurrent calls: it was not called at all
    errors.NoTarget: _END,
    errors.RecordUnavailable: _END,
    errors.ShuttingDown: _END,
    errors.InternalError: _END,
    errors.UpstreamError: _AGAIN,
    errors.UpstreamRejected: _END,  # the request is wrong everywhere; other statuses than those of a wrong request stand below
    errors.UpstreamRateLimited: Reaction(Then.AFTER, blames=False),
    errors.UpstreamUnavailable: _AGAIN,
    errors.UpstreamTimeout: _BROKEN,  # the time is gone: asking the slow one again would cost as much once more
    errors.UpstreamMalformed: _AGAIN,
    errors.AnswerInvalid: _ELSEWHERE,
}
"""By class. A class that is missing here is treated as the nearest of its bases."""

REJECTIONS: Final[Mapping[int, Reaction]] = {
    401: _BROKEN,  # the gateway's key, account or model at this target is wrong: no request will pass there, any may elsewhere
    402: _BROKEN,
    403: _BROKEN,
    404: _BROKEN,
    405: _BROKEN,
    407: _BROKEN,
    410: _BROKEN,
    408: _HICCUP,
    409: _HICCUP,
    425: _HICCUP,
    413: _ELSEWHERE,  # too long for this one
}
"""By the status of an ``UpstreamRejected``; any other is the request's own fault."""


def reaction_to(error: GatewayError) -> Reaction:
    """What follows from ``error``."""
    if isinstance(error, UpstreamRejected):
        if error.reason_code == CONTEXT_LENGTH:
            return _ELSEWHERE
        return REJECTIONS.get(error.upstream_status or 0, _END)
    return next(REACTIONS[kind] for kind in type(error).__mro__ if kind in REACTIONS)


def is_of_the_request(error: GatewayError) -> bool:
    """Whether ``error`` says that the request itself is wrong or too long, which its caller alone can mend; the gateway's own key or model is no such thing."""
    then, blames = reaction_to(error)
    return isinstance(error, UpstreamRejected) and not blames and then is not Then.SAME


def retry_after_s(headers: Mapping[str, str], wall: Callable[[], float] = time.time) -> float | None:
    """Seconds that a ``Retry-After`` (RFC 9110, section 10.2.3) asks to wait, not below 0; ``None`` where there is none, or none that can be read.

    ``wall`` tells the time of day, as seconds since the epoch: the header may hold a date.
    """
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - wall())
    except (ValueError, OverflowError):
        return None
