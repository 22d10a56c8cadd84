"""Small policies for tests."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.testing import ALLOW_ALL

ALLOW: dict[str, Any] = {"outcome": "allow", "reasons": [], "obligations": {"reveal": {"model": [], "caller": [], "record": []}}}


def policy(hook: str, verdict: Any) -> str:
    """A policy of ``hook`` that always says ``verdict``."""
    return f"package gateway.{hook}\n\nimport rego.v1\n\nverdict := {orjson.dumps(verdict).decode()}\n"


def intent_says(verdict: Any) -> dict[str, str]:
    """Files where the intent hook says ``verdict`` and the answer hook allows."""
    return {**ALLOW_ALL, "intent.rego": policy("intent", verdict)}


def answer_says(verdict: Any) -> dict[str, str]:
    """Files where the answer hook says ``verdict`` and the intent hook allows."""
    return {**ALLOW_ALL, "answer.rego": policy("answer", verdict)}


def obliged(**obligations: Any) -> dict[str, Any]:
    """An allow with obligations besides hiding everything."""
    return {**ALLOW, "obligations": {**ALLOW["obligations"], **obligations}}


READS_TEXT = {
    **ALLOW_ALL,
    "answer.rego": """package gateway.answer

import rego.v1

default verdict := {"outcome": "allow", "reasons": [], "obligations": {"reveal": {"caller": [], "record": []}}}

verdict := {"outcome": "deny", "reasons": [{"rule": "no_promises", "message": "an answer must not promise"}], "obligations": {}} if {
	contains(object.get(input.answer, "text", ""), "guarantee")
}
""",
}
"""The answer policy reads the text, so streams are buffered."""
