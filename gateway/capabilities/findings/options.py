"""What a tenant chooses about the scanner, and the error that a wrong choice gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


class ScanOptionsError(ValueError):
    """A pattern that does not compile, or a category or country that nobody knows. The message names it and the nearest known name.

    ``option`` is ``patterns``, ``words``, ``enable`` or ``countries``; ``name`` the key or member of it at fault.
    """

    def __init__(self, message: str, *, option: str, name: str) -> None:
        super().__init__(message)
        self.option = option
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """What is found besides the defaults."""

    patterns: Mapping[str, str] = field(default_factory=dict)
    """Category to a google-re2 expression. An unbounded repeat is read as at most 64."""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Category to words and phrases, whatever their case, each standing by itself."""
    enable: frozenset[str] = frozenset()
    """Categories that normally need a cue word, on without one."""
    countries: frozenset[str] = frozenset()
    """Countries (ISO 3166 alpha-2) whose categories are on without a cue word."""
