"""Tenants' own patterns and words. The one file that knows google-re2: linear in the text whatever the pattern.

A pattern's widest match is computed from its syntax, so that a stream knows how much to hold back. Unbounded repeats are read as at most ``REPEAT``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import re2

from gateway.capabilities.findings.model import Candidate
from gateway.capabilities.findings.options import ScanOptionsError
from gateway.capabilities.findings.pattern_width import UnsupportedPatternError, bounded

MAX_WIDTH = 1024
_SURROGATE = re.compile("[\ud800-\udfff]")
_RANK = 4


class CustomPattern(NamedTuple):
    """A compiled pattern of a tenant."""

    category: str
    compiled: Any
    width: int
    """Characters of its widest match."""
    whole_words: bool


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 16 << 20
    return options


def _compile(option: str, name: str, pattern: str) -> Any:
    try:
        return re2.compile(pattern, _options())
    except re2.error as error:
        told = error.args[0] if error.args else ""
        reason = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        raise ScanOptionsError(f"redaction.{option}: {name}: not a google-re2 pattern: {reason}", option=option, name=name) from None


def compile_patterns(patterns: Mapping[str, str]) -> list[CustomPattern]:
    """Raises ``ScanOptionsError`` for what does not compile, can match nothing, or can match more than ``MAX_WIDTH`` characters."""
    found = []
    for name, source in patterns.items():
        compiled = _compile("patterns", name, source)
        try:
            text, width = bounded(source)
        except UnsupportedPatternError as error:
            raise ScanOptionsError(f"redaction.patterns: {name}: {error}", option="patterns", name=name) from None
        if width > MAX_WIDTH:
            raise ScanOptionsError(
                f"redaction.patterns: {name}: can match {width} characters, at most {MAX_WIDTH} are allowed; bound its repeats", option="patterns", name=name
            )
        if compiled.fullmatch(""):
            raise ScanOptionsError(f"redaction.patterns: {name}: matches the empty text", option="patterns", name=name)
        found.append(CustomPattern(name, _compile("patterns", name, text), width, False))
    return found


def compile_words(words: Mapping[str, tuple[str, ...]]) -> list[CustomPattern]:
    """Raises ``ScanOptionsError`` for an empty list or word."""
    found = []
    for name, members in words.items():
        if not members or any(not word.strip() for word in members):
            raise ScanOptionsError(f"redaction.words: {name}: needs words, none of them empty", option="words", name=name)
        parts = [r"\s{1,3}".join(re2.escape(piece) for piece in word.split()) for word in sorted(members, key=len, reverse=True)]
        width = max(len(word) + 2 * word.count(" ") for word in members)
        found.append(CustomPattern(name, _compile("words", name, "(?i)(?:" + "|".join(parts) + ")"), width, True))
    return found


def _alone(text: str, start: int, end: int) -> bool:
    return not (start and _wordy(text[start - 1])) and not (end < len(text) and _wordy(text[end]))


def _wordy(char: str) -> bool:
    return char.isalnum() or char == "_"


def find_custom(patterns: list[CustomPattern], text: str, resume: Sequence[int], out: list[Candidate]) -> list[list[tuple[int, int]]]:
    """Adds the matches of every pattern, the search of each beginning at its place in ``resume``; gives the spans that each search stepped over."""
    plain = text if text.isascii() else _SURROGATE.sub("?", text)
    searched = []
    for pattern, begin in zip(patterns, resume, strict=True):
        spans = [match.span() for match in pattern.compiled.finditer(plain, begin)]
        searched.append(spans)
        for start, end in spans:
            if start < end and "\0" not in plain[start:end] and (not pattern.whole_words or _alone(plain, start, end)):
                out.append(Candidate(start, _RANK, end, pattern.category))
    return searched


def digest_of(patterns: list[CustomPattern]) -> bytes:
    """What tells two sets of patterns apart."""
    return hashlib.sha256("\0".join(f"{p.category}\1{p.compiled.pattern}" for p in patterns).encode("utf-8", "replace")).digest()
