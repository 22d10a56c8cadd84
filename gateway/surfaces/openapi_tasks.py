"""The part of the OpenAPI document about what people decide: ``/v1/tasks``."""

from __future__ import annotations

from typing import Any, Final

from gateway.domain import Hook, Json
from gateway.domain_tasks import Action, Mode, TaskState
from gateway.surfaces.task_forms import MAX_COMMENT_CHARS, MOST, USUAL

_TEXT: Final[Json] = {"type": "string"}
_NULL_OR_TEXT: Final[Json] = {"type": ["string", "null"]}
_TIME: Final[Json] = {"type": "string", "format": "date-time"}
_OBJECT: Final[Json] = {"type": "object"}
_WORDS: Final[Json] = {"type": "string", "minLength": 1}


def _shape(properties: Json, description: str | None = None) -> Json:
    whole: Json = {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": True}
    return whole if description is None else {"description": description, **whole}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


_PERSON: Final = _shape({"id": {"description": "Of the person's key.", **_TEXT}, "name": _TEXT})
_ACTION: Final[Json] = {"enum": list(Action)}
_STATE: Final[Json] = {"enum": list(TaskState)}
_TASK: Final[Json] = {
    "id": _TEXT,
    "object": {"const": "task"},
    "intent": {"description": "Id of the intent that waits, and of its record.", **_TEXT},
    "queue": _TEXT,
    "mode": {"enum": list(Mode)},
    "hook": {"enum": [hook.value for hook in Hook]},
    "state": _STATE,
    "version": {"description": "Counts its changes; sent with a decision, that one counts only if nothing has changed since.", "type": "integer", "minimum": 1},
    "route": _TEXT,
    "requester": _PERSON,
    "reasons": {"description": "Why policy wants a person.", **_list(_shape({"rule": _TEXT, "message": _TEXT}))},
    "signals": {"description": "Of an answer: what its confidence was made of."},
    "confidence": {"type": ["number", "null"]},
    "created_at": _TIME,
    "due_at": _TIME,
    "expires_at": _TIME,
    "overdue": {"type": "boolean"},
    "on_expiry": {"description": "What happens if nobody decides in time: `refuse`, `release` or `queue:NAME`.", **_TEXT},
    "min_approvers": {"type": "integer", "minimum": 1},
    "distinct_from": _list({"enum": ["requester", "reviewers"]}),
    "approvals": _list(_shape({"id": _TEXT, "by": _PERSON, "action": _ACTION, "at": _TIME, "expires_at": _TIME})),
    "outcome": {"description": "How it ended.", **_NULL_OR_TEXT},
    "claimed_by": {"description": "Who works on it.", **_PERSON, "type": ["object", "null"]},
    "claimed_until": {**_NULL_OR_TEXT, "format": "date-time"},
    "actions": {"description": "What can be decided now.", **_list(_ACTION)},
}
_SHOWN: Final[Json] = {
    **_TASK,
    "context": {"description": "What policy reveals to people of the request and, where there is one, the draft.", "type": ["object", "null"]},
    "context_missing": {"description": "Why there is no context.", **_NULL_OR_TEXT},
    "history": _list(_shape({"at": _TIME, "move": _TEXT, "by": _PERSON, "facts": _OBJECT})),
}
_SEEN: Final = (
    "Of the task as it was seen. Needed to `accept` in mode `review` or `answer` where `min_approvers` is more than 1: "
    "another reviewer may have changed the draft. A version that is not the task's any more is answered 409."
)
_DECISION: Final[Json] = {
    "description": "What a reviewer decides.",
    "type": "object",
    "required": ["action"],
    "properties": {
        "action": _ACTION,
        "content": {
            "description": "With `edit` and `answer`, and with no other action: a text, or one for each choice that the caller asked for.",
            "oneOf": [_WORDS, {**_list(_WORDS), "minItems": 1}, {"type": "null"}],
        },
        "comment": {"description": "For the record.", **_NULL_OR_TEXT, "maxLength": MAX_COMMENT_CHARS},
        "version": {"description": _SEEN, "type": ["integer", "null"], "minimum": 1, "maximum": 2**31 - 1},
    },
    "additionalProperties": False,
    "if": {"required": ["action"], "properties": {"action": {"enum": [Action.EDIT, Action.ANSWER]}}},
    "then": {"required": ["content"], "properties": {"content": {"not": {"type": "null"}}}},
    "else": {"properties": {"content": {"type": "null"}}},
}
SCHEMAS: Final[dict[str, Json]] = {
    "Task": _shape(_TASK, "What a person is asked to decide about an intent."),
    "ShownTask": _shape(_SHOWN, "A task with its context and history."),
    "TaskList": _shape(
        {
            "object": {"const": "list"},
            "data": _list({"$ref": "#/components/schemas/Task"}),
            "cursor": {"description": "Of the next page; null at the end, and only there.", **_NULL_OR_TEXT},
        }
    ),
    "TaskDecision": _DECISION,
}
"""Components, by name."""

_NO_ROLE = "The key lacks role `reviewer`, or policy keeps its holder away from this task."
_NO_TASK = "No such task for this key: it is of another tenant, or in a queue of other teams."
_NO_QUEUE = "No such queue for this key."
_HELD = "Somebody else holds it, and the message names them; or it has ended, or has changed since it was seen."
_UNREADABLE = "The tasks cannot be read or changed now, or what was kept cannot be decrypted."
_ALWAYS = ("401", "403", "431", "500", "503")


def operations(json: Any, errors: Any) -> dict[str, dict[str, Json]]:
    """By path and method: what differs from what the routes say of themselves. ``json`` and ``errors`` are the document's ways to write responses."""
    told = {"_403": _NO_ROLE, "_404": _NO_TASK, "_409": _HELD, "_503": _UNREADABLE}
    move = {"responses": {"200": json("Task", "The task as it is now."), **errors("404", "409", *_ALWAYS, **told)}}
    decision: Json = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/TaskDecision"}}}},
        "responses": {"200": json("Task", "The task as it is now."), **errors("400", "404", "409", "413", "415", *_ALWAYS, **told)},
    }
    return {
        "/v1/tasks": {
            "get": {
                "parameters": _parameters(),
                "responses": {"200": json("TaskList", "Tasks by when they are due."), **errors("400", "404", *_ALWAYS, **(told | {"_404": _NO_QUEUE}))},
            }
        },
        "/v1/tasks/{id}": {"get": {"responses": {"200": json("ShownTask", "The task."), **errors("404", *_ALWAYS, **told)}}},
        "/v1/tasks/{id}/claim": {"post": move},
        "/v1/tasks/{id}/release": {"post": move},
        "/v1/tasks/{id}/decide": {"post": decision},
        "/v1/tasks/{id}/withdraw": {"post": move},
    }


def _parameters() -> list[Json]:
    texts: dict[str, tuple[str, Json]] = {
        "state": ("States, with commas between them.", {"type": "string", "default": "open,claimed", "examples": ["open", "decided,expired"]}),
        "queue": ("Queues, with commas between them; all that the key sees if unset.", {"type": "string", "minLength": 1}),
        "due_before": ("Only what is due before this time.", _TIME),
        "limit": ("As many at most.", {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}),
        "cursor": ("Of the page before.", {"type": "string", "minLength": 1}),
    }
    return [{"name": name, "in": "query", "description": text, "schema": schema} for name, (text, schema) in texts.items()]
