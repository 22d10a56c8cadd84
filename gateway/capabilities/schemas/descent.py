"""How a subschema is applied to a value: through jsonschema's validator, paid for in steps.

The run of a check travels in the validator's field ``format_checker``: jsonschema hands it on to every subschema, and formats do not need it here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Faults = Iterator[Exception]


def descend(validator: Any, it: Any, schema: Any) -> Faults:
    """The faults of a value under a subschema. Raises ``OutOfSteps``."""
    validator.format_checker.spend(1)
    faults: Faults = validator.descend(it, schema)
    return faults


def holds(validator: Any, it: Any, schema: Any) -> bool:
    """Whether a value meets a subschema. Raises ``OutOfSteps``."""
    return next(descend(validator, it, schema), None) is None
