"""What stands behind the config and is compiled elsewhere: the policy folder and the tenants' redaction options.

Taken from the plain values, so that a check can look at them although something else in the file is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.configuration.models import RedactionOptions
from gateway.configuration.models_policy import PolicyShape
from gateway.configuration.problems import Problem, Where, dotted
from gateway.configuration.source import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a config that have compilers of their own."""

    document: Document
    policy: Path
    """The folder of the Rego files."""
    redaction: Mapping[str, RedactionOptions]
    """By tenant; without those whose options have not even the right shape."""

    def problem(self, where: Where, what: str, hint: str = "") -> Problem:
        """A problem that a compiler found, with its line."""
        return Problem(self.document.file, self.document.line(where), dotted(where), what, hint)


def parts_of(document: Document) -> Parts:
    """The parts of a document, as far as they can be read."""
    section, default = document.data.get("policy"), str(PolicyShape.model_fields["path"].default)
    path = section.get("path", default) if isinstance(section, dict) else default
    tenants = document.data.get("tenants")
    options = {name: _options(tenant) for name, tenant in tenants.items()} if isinstance(tenants, dict) else {}
    return Parts(
        document=document,
        policy=document.path.parent / (path if isinstance(path, str) and "\0" not in path else default),
        redaction={name: found for name, found in options.items() if found is not None},
    )


def _options(tenant: Any) -> RedactionOptions | None:
    try:
        return RedactionOptions.model_validate(tenant.get("redaction", {}) if isinstance(tenant, dict) else {})
    except ValidationError:
        return None
