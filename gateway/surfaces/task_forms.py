"""What reviewers send, strictly parsed: which tasks they want to see, and what they decide."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final, TypeVar

from gateway.domain import Json
from gateway.domain_tasks import Action, TaskState
from gateway.errors import InvalidRequest
from gateway.pipeline.deciding import Decided
from gateway.pipeline.tasks import WAITING, Wanted

T = TypeVar("T")
D = TypeVar("D")

MOST: Final = 200
"""Tasks on one page."""
USUAL: Final = 50
MAX_COMMENT_CHARS: Final = 4_000
_MAX_CURSOR_CHARS: Final = 500
_LATEST_NS: Final = 2**63 - 1
"""Databases hold no later time: it is the year 2262."""
_MOMENT: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})\Z", re.ASCII)
_PARAMETERS: Final = ("state", "queue", "due_before", "limit", "cursor")
_FIELDS: Final = ("action", "content", "comment", "version")
_WRITES: Final = frozenset({Action.EDIT, Action.ANSWER})
"""What is decided with a text of one's own."""


def wanted(parameters: Iterable[tuple[str, str]]) -> Wanted:
    """The query of a list.

    Raises:
        InvalidRequest: A parameter is unknown, came twice or is not what it has to be.
    """
    found = dict[str, str]()
    for name, value in parameters:
        if name not in _PARAMETERS:
            raise InvalidRequest(f"there is no such parameter; there are {', '.join(_PARAMETERS)}", param=name if name.isidentifier() else None)
        if name in found:
            raise InvalidRequest("the parameter came more than once; several values have commas between them", param=name)
        found[name] = value
    return Wanted(
        states=_taken(found, "state", _states, WAITING),
        queues=_taken(found, "queue", lambda text: frozenset(text.split(",")), None),
        due_before_ns=_taken(found, "due_before", moment_ns, None),
        cursor=_taken(found, "cursor", _cursor, None),
        limit=_taken(found, "limit", _limit, USUAL),
    )


def decided(body: Json) -> Decided:
    """The body of a decision. Whether the task's mode has such an action is not looked at.

    Raises:
        InvalidRequest: A field is unknown, missing or not what it has to be.
    """
    for name in body:
        if name not in _FIELDS:
            raise InvalidRequest(f"a decision has no such field; it has {', '.join(_FIELDS)}", param=name if name.isidentifier() else None)
    action = body.get("action")
    if not isinstance(action, str) or action not in list(Action):
        raise InvalidRequest(f"the action has to be one of {', '.join(Action)}", param="action")
    return Decided(action=Action(action), content=_content(body.get("content"), Action(action)), comment=_comment(body), version=_version(body))


def moment_ns(text: str) -> int:
    """Nanoseconds since the epoch of a time as RFC 3339 has it, not after what a database can hold.

    Raises:
        ValueError: It is none.
    """
    match = _MOMENT.match(text)
    if match is None:
        raise ValueError("has to be a time such as 2026-01-05T10:00:00Z (RFC 3339; a + is written %2B in a URL)")
    try:
        seconds = int(datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00")).timestamp())
    except (ValueError, OverflowError):
        raise ValueError("is no time that there is") from None
    return min(seconds * 1_000_000_000 + int((match[2] or "").ljust(9, "0")), _LATEST_NS)


def _taken(found: Mapping[str, str], name: str, parse: Callable[[str], T], default: D) -> T | D:
    if name not in found:
        return default
    try:
        return parse(found[name])
    except ValueError as error:
        raise InvalidRequest(f"the parameter {error}", param=name) from None


def _states(text: str) -> frozenset[TaskState]:
    try:
        return frozenset(TaskState(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"has to be one or more of {', '.join(TaskState)}, with commas between them") from None


def _cursor(text: str) -> str:
    if len(text) > _MAX_CURSOR_CHARS:
        raise ValueError("is no cursor; take the one of the page before")
    return text


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= MOST):
        raise ValueError(f"has to be a whole number from 1 to {MOST}")
    return int(text)


def _content(value: object, action: Action) -> str | list[str] | None:
    if action not in _WRITES:
        if value is not None:
            raise InvalidRequest(f"the action {action} takes no content; {' and '.join(sorted(_WRITES))} do", param="content")
        return None
    if isinstance(value, str) and value:
        return value
    if isinstance(value, list) and value and all(isinstance(each, str) and each for each in value):
        return value
    raise InvalidRequest(f"the action {action} needs a content: a text that is not empty, or a list of one for each choice", param="content")


def _comment(body: Json) -> str | None:
    comment = body.get("comment")
    if comment is not None and not (isinstance(comment, str) and len(comment) <= MAX_COMMENT_CHARS):
        raise InvalidRequest(f"the comment has to be a text of at most {MAX_COMMENT_CHARS} characters", param="comment")
    return comment or None


def _version(body: Json) -> int | None:
    version = body.get("version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool) or not 1 <= version < 2**31):
        raise InvalidRequest("the version has to be a whole number, as the task shows it", param="version")
    return version
