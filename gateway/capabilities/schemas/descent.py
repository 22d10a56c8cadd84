"""How a subschema is applied to a value: as jsonschema does it, but paid for in steps, and without a validator made for each place of a value.

The run of a check travels in the validator's field ``format_checker``: it is all that the keywords of this package need of a validator but ``VALIDATORS``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gateway.capabilities.schemas.model import Run

Faults = Iterator[Exception]


def descend(validator: Any, it: Any, schema: Any) -> Faults:
    """The faults of a value under a compiled subschema. Raises ``OutOfSteps``."""
    validator.format_checker.spend(1)
    return faults(validator, it, schema)


class Walker(NamedTuple):
    """What stands in for jsonschema's validator on the way."""

    VALIDATORS: Mapping[str, Any]
    """The keywords, by name."""
    format_checker: Run


def faults(validator: Any, it: Any, schema: Any) -> Iterator[Any]:
    """As ``descend``, for the whole of a value: nothing was spent on it yet, nor is by this."""
    if schema is True:
        return
    known = validator.VALIDATORS
    for keyword, value in schema.items():
        check = known.get(keyword)
        if check is not None:
            for fault in check(validator, value, it, schema):
                if type(fault.schema) is not dict:  # else it comes from deeper down, and says so
                    fault.schema = schema
                    fault.validator = fault.validator if type(fault.validator) is str else keyword
                yield fault


def holds(validator: Any, it: Any, schema: Any) -> bool:
    """Whether a value meets a subschema. Raises ``OutOfSteps``."""
    return next(descend(validator, it, schema), None) is None
