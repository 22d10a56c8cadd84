"""Plain values to models: every unknown key, wrong type and missing key at once, in words of our own, which never quote a value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.configuration.models import FileShape
from gateway.configuration.problems import Where, nearest
from gateway.configuration.source import Document

_WHAT = {
    "missing": "is required",
    "extra_forbidden": "unknown key",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "mapping_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "tuple_type": "must be a list",
}
_KINDS: dict[type, str] = {str: "text", bool: "true or false", int: "a number", float: "a number", dict: "a mapping", tuple: "a list", type(None): "empty"}


def check(document: Document) -> FileShape | None:
    """The document as a model, or ``None`` with every problem noted in the document."""
    try:
        return FileShape.model_validate(document.data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            where = tuple(part for part in detail["loc"] if part != "[key]")
            document.problem(where, *_explain(detail, where))
        return None


def _explain(detail: ErrorDetails, where: Where) -> tuple[str, str]:
    """What is wrong, and a hint."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return "unknown key", nearest(str(where[-1]), keys_at(where[:-1]))
    if kind == "literal_error":
        known = [part.strip("'") for part in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return f"must be one of {', '.join(known)}", nearest(value, known, listing=False) if isinstance(
            value, str
        ) else f"it is {_KINDS.get(type(value), 'something else')}"
    if kind == "missing" or kind not in _WHAT:
        message = detail["msg"]
        return _WHAT.get(kind, message.replace("Input should be ", "must be ").replace("Mapping should have ", "must have ")), ""
    return _WHAT[kind], f"it is {_KINDS.get(type(value), 'something else')}"


def keys_at(where: Where) -> frozenset[str]:
    """The keys that are known in the mapping at ``where``; empty where names are of the operator's choice."""
    models: list[type[BaseModel]] = [FileShape]
    named = False
    for part in where:
        if named or isinstance(part, int):
            named = False
            continue
        field = _fields(models[0]).get(part) if models else None
        models = list(_models_in(field.annotation)) if field else []
        named = field is not None and "Mapping" in str(field.annotation)
    return frozenset(_fields(models[0])) if models and not named else frozenset()


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields by the key of the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation such as ``Mapping[Name, TenantShape]`` or ``PriceShape | None`` is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
