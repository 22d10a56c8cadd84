"""The border of jsonschema and referencing: metaschemas, and the validator that walks a schema and a value with the keywords of this package.

They are imported when the first schema is compiled: that takes a tenth of a second, which a gateway without schemas does not pay at start.
"""

from __future__ import annotations

import functools
import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

import orjson

from gateway.capabilities.schemas.applicators import APPLICATORS
from gateway.capabilities.schemas.descent import Walker, faults
from gateway.capabilities.schemas.keywords import Holds, assertions
from gateway.capabilities.schemas.model import FALSE, STEPS, Run, SchemaProblem, shortened, step_into
from gateway.capabilities.schemas.values import all_differ

DEFAULT_DIALECT = "2020-12"
DIALECTS: Mapping[str, str] = {
    "json-schema.org/draft-07/schema": "draft7",
    "json-schema.org/draft/2019-09/schema": "2019-09",
    "json-schema.org/draft/2020-12/schema": "2020-12",
}
"""By ``$schema``, without its scheme and an empty fragment."""
_CLASSES = {"draft7": "Draft7Validator", "2019-09": "Draft201909Validator", "2020-12": "Draft202012Validator"}
_NO_LIMIT = 1 << 40
_IRI_PARSER = "rfc3987_syntax"
_TO_THE_WHOLE = re.compile(rb'"\$(?:dynamicRef|recursiveRef|ref)":"(?:meta/[a-z-]+)?#(?:meta)?')
_EXPECTED: Mapping[str, str] = {
    "type": "has to be of type {}",
    "enum": "has to be one of {}",
    "minimum": "has to be at least {}",
    "exclusiveMinimum": "has to be over {}",
    "minItems": "needs at least {} items",
    "uniqueItems": "has a value twice",
    "anyOf": "is none of what can stand there",
    "pattern": "is not written as it has to be",
}


class Dialect:
    """A version of JSON Schema."""

    def __init__(self, name: str, jsonschema: Any, specifications: Any) -> None:
        original = getattr(jsonschema, _CLASSES[name])
        self._fault = jsonschema.ValidationError
        self._formats = jsonschema.Draft202012Validator.FORMAT_CHECKER.checkers
        self._refusals = tuple(_refusals(self._formats))
        own: dict[str, Any] = {keyword: self._asserted(holds) for keyword, holds in assertions(self._conforms).items()} | APPLICATORS[name]
        self.keywords = frozenset(original.VALIDATORS) | {"then", "else", "minContains", "maxContains"}
        """What means something in a schema of this dialect."""
        self.references_stand_alone = name == "draft7"
        self._class = jsonschema.validators.extend(original, {keyword: own[keyword] for keyword in {*original.VALIDATORS, FALSE}})
        self._registry = importlib.import_module("referencing").Registry()
        self._metaschema = self._validator_of_schemas(jsonschema, original, specifications)

    def check(self, schema: Any, pointer: str) -> None:
        """Raises ``SchemaProblem`` for what is no schema of this dialect. ``pointer`` says where it stands."""
        try:
            error = next(self._metaschema.iter_errors(schema), None)
        except RecursionError:
            raise SchemaProblem(shortened(pointer), "nests too deeply to be checked; move parts of it to $defs") from None
        if error is not None:
            for key in error.absolute_path:
                pointer = step_into(pointer, key)
            raise SchemaProblem(shortened(pointer), _expected(error.validator, error.validator_value))

    def validator(self, schema: Any) -> Any:
        """What checks a compiled schema. Its registry has nothing in it and fetches nothing, though no reference is left that would ask it."""
        return self._class(schema, registry=self._registry)

    def run(self, validator: Any, value: Any, steps: int = STEPS) -> Iterator[Any]:
        """The faults of a value, each with its compiled ``schema`` and its keyword as ``validator``. Raises ``OutOfSteps`` and ``RecursionError``."""
        return faults(Walker(self._class.VALIDATORS, Run(self._new_fault, steps)), value, validator.schema)

    def _new_fault(self, **known: Any) -> Exception:
        fault: Exception = self._fault("", **known)
        return fault

    def _asserted(self, holds: Holds) -> Any:
        """A keyword as jsonschema calls it."""

        def keyword(validator: Any, value: Any, it: Any, _: Any) -> tuple[Any, ...]:
            run: Run = validator.format_checker
            run.spend(1)
            return () if holds(value, it, run) else (run.fault(),)

        return keyword

    def _conforms(self, text: str, name: str) -> bool:
        check, _ = self._formats[name]
        try:
            return bool(check(text))
        except self._refusals:
            return False

    def _validator_of_schemas(self, jsonschema: Any, original: Any, specifications: Any) -> Any:
        def unique(_validator: Any, value: Any, it: Any, _schema: Any) -> Iterator[Any]:
            if value and type(it) is list and not all_differ(it, Run(self._new_fault, _NO_LIMIT)):
                yield self._fault("")

        checker = jsonschema.validators.extend(original, {"uniqueItems": unique})
        return checker(_in_one_piece(original.META_SCHEMA, specifications.REGISTRY), registry=self._registry)


def _in_one_piece(metaschema: Mapping[str, Any], registry: Any) -> Any:
    """A metaschema with the vocabularies that it is made of, and no references between documents: three times as quick to check with."""
    parts = [metaschema, *(registry.contents(urljoin(metaschema["$id"], part["$ref"])) for part in metaschema.get("allOf", ()))]
    merged = {keyword: {name: value for part in parts for name, value in part.get(keyword, {}).items()} for keyword in ("properties", "$defs", "definitions")}
    return orjson.loads(_TO_THE_WHOLE.sub(b'"$ref":"#', orjson.dumps({"type": ["object", "boolean"], **merged})))


def _refusals(checkers: Mapping[str, Any]) -> Iterator[type[Exception]]:
    """What checkers raise for a text that does not conform: what each says, and what slips through their parsers."""
    for _, raises in checkers.values():
        yield from raises if isinstance(raises, tuple) else (raises,)
    yield from (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, AssertionError)


def _expected(keyword: str, value: Any) -> str:
    told = _EXPECTED.get(keyword, f"breaks the rule {keyword} of its metaschema")
    return told.format(" or ".join(map(str, value)) if type(value) is list else value)


@functools.cache
def dialect(name: str) -> Dialect:
    """The dialect of that name; imports jsonschema on the first call, which takes about a tenth of a second."""
    return Dialect(name, _jsonschema(), importlib.import_module("jsonschema_specifications"))


def _jsonschema() -> Any:
    """The library without its parser of IRIs, whose grammar takes a second to make, ten times as long as all the rest: here they are checked as URIs."""
    modules: dict[str, Any] = sys.modules
    known = modules.setdefault(_IRI_PARSER, None)  # which makes its import fail
    try:
        return importlib.import_module("jsonschema")
    finally:
        if known is None:
            del modules[_IRI_PARSER]


def dialect_of(schema: Any) -> Dialect:
    """The dialect that a schema names. Raises ``SchemaProblem`` for one that is not known."""
    named = schema.get("$schema") if type(schema) is dict else None
    if named is None:
        return dialect(DEFAULT_DIALECT)
    known = DIALECTS.get(named.removeprefix("https://").removeprefix("http://").removesuffix("#")) if type(named) is str else None
    if known is None:
        raise SchemaProblem("/$schema", "names a dialect that is not known; use draft 7, 2019-09 or 2020-12, or leave it out")
    return dialect(known)
