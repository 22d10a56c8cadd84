"""The shapes of the OpenAPI document: what requests have to be (as far as the gateway checks it) and what answers are."""

from __future__ import annotations

from typing import Any

from gateway import errors
from gateway.domain import Hook, Json, State
from gateway.surfaces.openai_embeddings import ELSEWHERE, ENCODINGS, MOST_INPUTS

_ANY: Json = {}
_TEXT: Json = {"type": "string"}
_NULL_OR_TEXT: Json = {"type": ["string", "null"]}
_COUNT: Json = {"type": "integer", "minimum": 0}
_OBJECT: Json = {"type": "object"}


def ref(name: str) -> Json:
    """A reference to one of ``COMPONENTS``."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: str, description: str | None = None, /, **properties: Json) -> Json:
    """An object with at least these properties; ``required`` names some of them."""
    whole: Json = {"type": "object", "required": required.split(), "properties": properties, "additionalProperties": True}
    return whole if description is None else {"description": description, **whole}


def _said(text: str, schema: Json = _ANY) -> Json:
    return {"description": text, **schema}


def _list(items: Json, **more: Any) -> Json:
    return {"type": "array", "items": items, **more}


def _types() -> list[str]:
    """The ``type`` of every error that a caller can see."""
    found, classes = set(), [errors.GatewayError]
    while classes:
        one = classes.pop()
        found.add(one.type)
        classes += one.__subclasses__()
    return sorted(found)


_MODEL = {"type": "string", "minLength": 1, "description": "A route of the gateway, or an alias of one.", "examples": ["assistant"]}
_FORMAT: Json = {
    "description": "What the answer has to be. The gateway checks it, and has a wrong one repaired if the route says so.",
    "type": ["object", "null"],
    "required": ["type"],
    "properties": {
        "type": {"type": "string", "examples": ["text", "json_object", "json_schema"]},
        "json_schema": _said("With type `json_schema`: `name`, `schema`, `strict`."),
    },
    "additionalProperties": True,
    "if": {"required": ["type"], "properties": {"type": {"const": "json_schema"}}},
    "then": {"required": ["json_schema"], "properties": {"json_schema": _object("", schema={"type": ["object", "boolean"]})}},
}
_PASSED_ON = {
    name: _said(text)
    for name, text in (
        ("temperature", "Passed on, like every parameter that is not described here."),
        ("top_p", "Passed on."),
        ("stop", "Passed on."),
        ("seed", "Passed on."),
        ("user", "Passed on, redacted."),
        ("metadata", "Passed on, redacted."),
        ("tool_choice", "Passed on."),
    )
}
_TOKENS = _list(_COUNT, minItems=1)

COMPONENTS: dict[str, Json] = {
    "ChatRequest": _object(
        "model messages",
        model=_MODEL,
        messages=_list(
            _object("role", role={"type": "string", "examples": ["user"]}, content=_said("A text, or a list of content parts.")),
            minItems=1,
        ),
        stream=_said("Whether the answer comes as server-sent events.", {"type": ["boolean", "null"]}),
        stream_options={"type": ["object", "null"]},
        tools={"type": ["array", "null"], "items": _OBJECT},
        n=_said("How many choices.", {"type": ["integer", "null"], "minimum": 1}),
        logprobs=_said("Dropped, visibly, where a text was redacted.", {"type": ["boolean", "null"]}),
        top_logprobs={"type": ["integer", "null"], "minimum": 0},
        max_tokens=_said("A whole number. Policy may lower it."),
        max_completion_tokens=_said("A whole number. Policy may lower it."),
        response_format=_FORMAT,
        **_PASSED_ON,
    ),
    "EmbeddingsRequest": _object(
        "model input",
        model=_MODEL,
        input={
            "description": "A text, several, or tokens. A value in a text that the model may not see becomes its type; tokens cannot be scanned.",
            "oneOf": [
                {"type": "string", "minLength": 1},
                _list({"type": "string", "minLength": 1}, minItems=1, maxItems=MOST_INPUTS),
                {**_TOKENS, "maxItems": MOST_INPUTS},
                _list(_TOKENS, minItems=1, maxItems=MOST_INPUTS),
            ],
        },
        encoding_format={"enum": [*ENCODINGS, None]},
        dimensions={"type": ["integer", "null"], "minimum": 1},
        stream=_said("Embeddings are not streamed.", {"enum": [False, None]}),
    )
    | {"not": {"anyOf": [{"required": [name]} for name in ELSEWHERE]}},
    "ChatCompletion": _object(
        "choices gateway",
        id=_TEXT,
        object={"const": "chat.completion"},
        created=_COUNT,
        model=_TEXT,
        choices=_list(ref("Choice"), minItems=1),
        usage=ref("Usage"),
        gateway={"anyOf": [ref("Gateway"), ref("Standing")]},
    ),
    "Choice": _object(
        "message",
        index=_COUNT,
        message=_object("", role=_TEXT, content=_NULL_OR_TEXT, refusal=_NULL_OR_TEXT, tool_calls={"type": ["array", "null"], "items": _OBJECT}),
        finish_reason=_NULL_OR_TEXT,
        logprobs={"type": ["object", "null"]},
    ),
    "Embeddings": _object(
        "object data model gateway",
        object={"const": "list"},
        data=_list(
            _object(
                "object index embedding",
                object={"const": "embedding"},
                index=_COUNT,
                embedding={
                    "description": "As `encoding_format` asks: numbers, or the base64 of 32-bit floats, little-endian.",
                    "oneOf": [_list({"type": "number"}, minItems=1), {"type": "string", "contentEncoding": "base64"}],
                },
            ),
            minItems=1,
        ),
        model=_TEXT,
        usage=_object("", prompt_tokens=_COUNT, total_tokens=_COUNT),
        gateway=ref("Gateway"),
    ),
    "Usage": {
        "type": ["object", "null"],
        "properties": dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), _COUNT),
        "additionalProperties": True,
    },
    "Gateway": _object(
        "record trace route target attempts cost_microusd redactions labels",
        "What the gateway says of an answer.",
        record=_said("Id of the intent and its record.", _TEXT),
        trace=_said("W3C trace id.", _TEXT),
        route=_NULL_OR_TEXT,
        target=_said("Who answered.", _NULL_OR_TEXT),
        attempts=_said("Calls of targets, whatever for.", _COUNT),
        fallback=_said("Whether another target than the first choice answered.", {"type": "boolean"}),
        cost_microusd=_said("Of all attempts; null where nobody knows the price.", {"type": ["integer", "null"], "minimum": 0}),
        usage_estimated={"type": ["boolean", "null"]},
        redactions=_object("", "By destination: how often a value of each category was hidden.", model=_OBJECT, caller=_OBJECT),
        labels=_said("What policy said of the intent.", {"type": "object", "additionalProperties": _TEXT}),
        schema_valid=_said("Null where the answer had no schema to meet.", {"type": ["boolean", "null"]}),
        repairs=_said("What was done because an answer broke its schema."),
        confidence=_said("Null where there was no signal.", {"type": ["number", "null"], "minimum": 0, "maximum": 1}),
        signals=_said("What the confidence was made of."),
        last_resort=_said("Whether this is the fixed answer of the route.", {"type": "boolean"}),
        max_tokens=_said("The cap that policy set in place of what was asked.", {"type": "integer"}),
        logprobs_dropped={"type": "boolean"},
    ),
    "Error": _object(
        "error",
        error=_object(
            "message type param code",
            message=_said("What is wrong, where, and what to do.", _TEXT),
            type={"enum": _types()},
            param=_said("The part of the request at fault.", _NULL_OR_TEXT),
            code=_TEXT,
        ),
        gateway=_object("record", record=_TEXT, reasons=_list(_object("rule message", rule=_TEXT, message=_TEXT))),
    ),
    "RecordExplanation": _object(
        "id tenant state subject trace decisions findings redactions routing attempts cost_microusd repairs confidence last_resort steps erased",
        "What happened to an intent, and why. Content is in it only as the record has it: redacted.",
        id=_TEXT,
        tenant=_TEXT,
        state={"enum": [state.value for state in State if state is not State.RECEIVED]},
        reason=_said("Why it ended so, where it was not completed.", _NULL_OR_TEXT),
        http_status={"type": ["integer", "null"]},
        subject={"type": ["object", "null"]},
        route=_NULL_OR_TEXT,
        trace=_object("id link", id=_NULL_OR_TEXT, link=_said("Where people look at it, if the config says that.", _NULL_OR_TEXT)),
        duration_ms={"type": ["number", "null"]},
        erased=_said("Whether content was erased.", {"type": "boolean"}),
        decisions=_list(ref("ExplainedDecision")),
        findings=_object("request answer", request=_list(_OBJECT), answer=_list(_OBJECT)),
        redactions=_said("By destination: how often a value of each category was hidden.", _OBJECT),
        routing=_object(
            "targets passed_over",
            "The targets that were considered, and why some were not called.",
            targets=_list(_object("target skipped", target=_TEXT, skipped=_NULL_OR_TEXT)),
            passed_over=_list(_object("target reason", target=_TEXT, reason=_TEXT)),
        ),
        attempts=_list(_object("target purpose", target=_TEXT, purpose=_TEXT, error=_NULL_OR_TEXT, waited_ms={"type": ["number", "null"]})),
        cost_microusd=_said("Of all attempts; null where nobody knows the price.", {"type": ["integer", "null"], "minimum": 0}),
        repairs=_list(_OBJECT),
        schema=_said("Whether the answer met its schema, and where not.", {"type": ["object", "null"]}),
        confidence=_list(_object("", score={"type": ["number", "null"]}, signals=_OBJECT)),
        last_resort={"type": "boolean"},
        steps=_list(_object("name duration_ns", name=_TEXT, duration_ns=_COUNT)),
    ),
    "ExplainedDecision": _object(
        "hook outcome reasons revision explanation",
        hook={"enum": [hook.value for hook in Hook]},
        choice=_said("Of an answer: which of its choices, from 1.", {"type": ["integer", "null"]}),
        outcome=_TEXT,
        reasons=_list(_object("rule message", rule=_TEXT, message=_TEXT)),
        revision=_said("Of the policy that decided.", _TEXT),
        redacted=_said("Whether content in its stored input was redacted.", {"type": "boolean"}),
        explanation=_object(
            "explained why",
            "The rules, where the policy is still the one that decided.",
            explained={"type": "boolean"},
            why=_said("Why it is not explained.", _NULL_OR_TEXT),
            rules=_list(
                _object(
                    "rule file line status failed",
                    rule=_TEXT,
                    file=_TEXT,
                    line=_COUNT,
                    kind={"enum": ["rule", "function", "default", "else"]},
                    status={"enum": ["fired", "failed", "not_reached"]},
                    failed=_said("The first condition that did not hold; its text for roles operator and auditor.", {"type": ["object", "null"]}),
                )
            ),
            data=_list(_object("path there", path=_TEXT, there={"type": "boolean"})),
            inputs=_list(_object("path there", path=_TEXT, there={"type": "boolean"})),
            notes=_list(_TEXT),
        ),
    ),
    "Model": _object(
        "id object created owned_by route",
        id=_TEXT,
        object={"const": "model"},
        created=_COUNT,
        owned_by={"const": "gateway"},
        route=_said("The route behind an alias.", _TEXT),
    ),
    "ModelList": _object("object data", object={"const": "list"}, data=_list(ref("Model"))),
    "Health": _object("status", status={"const": "ok"}),
    "Readiness": _object(
        "status policy records draining",
        status={"enum": ["ready", "degraded", "unready"]},
        policy=_object("revision reload_error", revision=_TEXT, reload_error=_NULL_OR_TEXT),
        records=_object("available", available={"type": "boolean"}),
        draining={"type": "boolean"},
    ),
}
"""By name, as JSON Schema (2020-12)."""
