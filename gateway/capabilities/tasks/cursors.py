"""Places in a list of tasks, as callers hold them: a cursor says when a task is due and its id, and nothing else is taken from it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from gateway.errors import InvalidRequest
from gateway.infrastructure.database_tasks import Place, TaskRow

_PLACE: Final = re.compile(r"(0|[1-9][0-9]{0,18}):([A-Za-z0-9_.-]{1,64})")
_LENGTH: Final = 128
_INT64: Final = 1 << 63


def cursor_after(row: TaskRow) -> str:
    """The cursor that goes on behind a task."""
    return _cursor(f"{row.due_ns}:{row.id}")


def place_of(cursor: str) -> Place:
    """What a cursor says.

    Raises:
        InvalidRequest: It is not in the form of one.
    """
    found = None
    if len(cursor) <= _LENGTH and cursor.isascii():
        try:
            found = _PLACE.fullmatch(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii"))
        except (binascii.Error, UnicodeDecodeError):
            found = None
    if found is None or int(found[1]) >= _INT64 or _cursor(found[0]) != cursor:
        raise InvalidRequest("the cursor is not one that a list of tasks gave; begin again without it", param="cursor")
    return Place(int(found[1]), found[2])


def _cursor(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()
