"""The part of the OpenAPI document about intents that wait for a person: ``/v1/intents/{id}``, and pending answers."""

from __future__ import annotations

from typing import Any, Final

from gateway.domain import Json, State
from gateway.domain_tasks import Mode, TaskState

SECONDS: Final = r"^[0-9]{1,5}(\.[0-9]{1,6})?$"
"""How seconds are written in a header or a parameter."""
_TEXT: Final[Json] = {"type": "string"}
_NULL_OR_TEXT: Final[Json] = {"type": ["string", "null"]}
_TIME: Final[Json] = {"type": "string", "format": "date-time"}
_ERROR: Final[Json] = {
    "type": ["object", "null"],
    "required": ["message", "type", "param", "code"],
    "properties": {"message": _TEXT, "type": _TEXT, "param": _NULL_OR_TEXT, "code": _TEXT},
}


def _task(*more: str) -> Json:
    """The task of an intent, as its caller sees it."""
    properties: Json = {"id": _TEXT, "queue": _TEXT, "mode": {"enum": list(Mode)}, "due_at": _TIME, "expires_at": _TIME}
    if "state" in more:
        properties["state"] = {"enum": list(TaskState)}
    return {"type": ["object", "null"], "required": list(properties), "properties": properties, "description": "What a person has to decide."}


SCHEMAS: Final[dict[str, Json]] = {
    "Intent": {
        "type": "object",
        "required": ["id", "object", "state", "route", "created_at", "changed_at", "expires_at", "task", "answer", "error", "record"],
        "properties": {
            "id": _TEXT,
            "object": {"const": "intent"},
            "state": {"enum": [state.value for state in State if state is not State.RECEIVED]},
            "route": _NULL_OR_TEXT,
            "created_at": _TIME,
            "changed_at": _TIME,
            "expires_at": {"description": "Until when the answer is kept.", "type": ["string", "null"], "format": "date-time"},
            "task": _task("state"),
            "answer": {"description": "What the call brought: for whoever sent it, once it has ended, and while it is kept.", "type": ["object", "null"]},
            "error": {**_ERROR, "description": "Why there is no answer, once the intent has ended."},
            "record": {"description": "Id of its record.", **_TEXT},
        },
        "additionalProperties": True,
    },
    "Standing": {
        "description": "What the gateway says in an answer without content: a pending one, or a refusal after keep-alives.",
        "type": "object",
        "required": ["record", "trace", "route", "state", "task"],
        "properties": {
            "record": _TEXT,
            "trace": _TEXT,
            "route": _TEXT,
            "state": {"enum": [state.value for state in State if state is not State.RECEIVED]},
            "task": _task(),
            "poll": {"description": "Where the outcome can be asked for.", **_TEXT},
            "joined": {"description": "Whether an earlier call of the same subject says the same and waits already.", "type": "boolean"},
            "error": _ERROR,
        },
        "additionalProperties": True,
    },
}
"""Components, by name."""


def parameters() -> list[Json]:
    """The headers with which callers say how they wait."""
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "The call is made once, however often it is sent with this key, and goes on if its caller leaves.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]{1,255}$"},
        },
        {
            "name": "x-gateway-wait",
            "in": "header",
            "description": "Seconds to wait for a person, 0 for an answer at once that says where the intent stands; by default as the route says.",
            "schema": {"type": "string", "pattern": SECONDS},
        },
    ]


def responses(json: Any, errors: Any) -> dict[str, Json]:
    """By method: what ``/v1/intents/{id}`` answers. ``json`` and ``errors`` are the document's ways to write responses."""
    missing = "No such intent for this key: it is of another subject, and the key has neither role `operator` nor `auditor`; or of another tenant."
    unread = "What is kept of intents cannot be read now: no database, or no key."
    fixed = {"_404": missing, "_503": unread}
    return {
        "get": {
            "200": json("Intent", "Where it stands; with `wait`, whitespace may come before it."),
            **errors("400", "401", "404", "431", "500", "503", **fixed),
        },
        "delete": {
            "200": json("Intent", "It is called off."),
            **errors("401", "404", "409", "431", "500", "503", **fixed, _409="It has ended, or runs: only one that waits for a person can be called off."),
        },
    }
