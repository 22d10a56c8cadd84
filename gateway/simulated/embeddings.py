"""``/v1/embeddings`` of the simulated provider: vectors that say nothing about a text but which text it is, always the same ones.

A rule sees the texts as those of a chat: ``contains`` looks into the last one. Of what a rule can say, ``usage`` and ``fault`` apply.
"""

from __future__ import annotations

import base64
import hashlib
import math
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.domain import Json
from gateway.simulated.prompt import Prompt
from gateway.simulated.script import GivenUsage, Rule

PATH = "/v1/embeddings"
DIMENSIONS = 256
"""Of a vector, where the request does not say."""

_FEWEST, _MOST = 8, 1536
_ABSURD_USAGE: Json = {"prompt_tokens": -1, "total_tokens": "many"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsPrompt(Prompt):
    """A request for embeddings as the provider received it; ``texts`` has each input, tokens written as numbers."""


def embeddings_prompt(body: Json, headers: Mapping[str, str]) -> EmbeddingsPrompt:
    """Read a request; an ``input`` that is neither text nor a list is none."""
    given = body.get("input")
    inputs = given if isinstance(given, list) else [] if given is None else [given]
    if inputs and all(type(item) is int for item in inputs):
        inputs = [inputs]
    texts = tuple(map(_text_of, inputs))
    return EmbeddingsPrompt(body=body, headers=headers, texts=texts, echo=texts[-1] if texts else "", last_tool_result=None)


def embeddings_answer(rule: Rule, prompt: EmbeddingsPrompt) -> bytes:
    """The body of the answer: a vector for each text."""
    asked = prompt.body.get("dimensions")
    size = min(max(asked, _FEWEST), _MOST) if type(asked) is int else DIMENSIONS
    encoded = prompt.body.get("encoding_format") == "base64"
    vectors = (vector(text, size) for text in prompt.texts)
    data = [{"object": "embedding", "index": index, "embedding": _base64(found) if encoded else found.tolist()} for index, found in enumerate(vectors)]
    body: Json = {"object": "list", "data": data, "model": prompt.model, "system_fingerprint": "simulated"}
    if rule.usage != "omitted":
        body["usage"] = _usage(rule, prompt)
    return orjson.dumps(body)


def vector(text: str, size: int) -> array[float]:
    """``size`` numbers drawn from a hash of ``text``, of length 1 together, as 32-bit floats."""
    drawn = array("h", hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(2 * size))
    length = math.hypot(*drawn) or 1.0
    return array("f", [number / length for number in drawn])


def _text_of(item: Any) -> str:
    return item if isinstance(item, str) else orjson.dumps(item).decode()


def _base64(numbers: array[float]) -> str:
    """As OpenAI encodes them: little-endian."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()


def _usage(rule: Rule, prompt: EmbeddingsPrompt) -> Json:
    if rule.usage == "absurd":
        return _ABSURD_USAGE
    tokens = rule.usage.input if isinstance(rule.usage, GivenUsage) else sum(map(len, prompt.texts)) // 4 + 1
    return {"prompt_tokens": tokens, "total_tokens": tokens}
