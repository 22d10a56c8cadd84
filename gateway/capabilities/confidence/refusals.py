"""Whether an answer declines to answer: the provider says so, or the answer begins as refusals do in one of seven languages.

Only the beginning is read, and it is compared with fixed phrases: the time that it takes does not depend on what the text is.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from typing import Final

from gateway.capabilities.confidence.refusal_phrases import LANGUAGES, Language
from gateway.domain import Json

BEGINNING: Final = 400
"""Characters of an answer in which a refusal has to begin."""

_MOST_CLAUSES: Final = 5
"""Openers and polite clauses that may stand before what is declined."""

_MOST_FILLERS: Final = 6
_MOST_AFTER_NEGATION: Final = 3
_MOST_BEFORE_NEGATION: Final = 60
"""Characters."""

_LONGEST_WORD: Final = 24
"""Characters that hold the first word of every phrase."""

_APOSTROPHES: Final = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"))
_BETWEEN: Final = " \t\r\n,.;:!?-\u2013\u2014*_#>\"'\u201c\u201d\u201e\u00ab\u00bb\u00bf\u00a1()[]"
_CLAUSE_END: Final = re.compile(r"[.!?;]|, (?:but|however|aber|jedoch|mais|pero|ma|mas|maar)\b")
_FIRST_WORD: Final = re.compile(r"[\w']+")


def is_refusal(message: Json) -> bool:
    """Whether a message declines: ``refusal`` is set, or its text begins with the wording of one. A message that only calls tools does not."""
    if message.get("refusal"):
        return True
    content = message.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        if any(part.get("refusal") for part in parts):
            return True
        content = next((part["text"] for part in parts if isinstance(part.get("text"), str)), None)
    return isinstance(content, str) and refuses(content)


def refuses(text: str) -> bool:
    """Whether a text begins with the wording of a refusal."""
    beginning = text[:BEGINNING].lstrip(_BETWEEN)
    first = _FIRST_WORD.match(beginning[:_LONGEST_WORD].translate(_APOSTROPHES).casefold())
    languages = _BY_FIRST_WORD.get(first.group()) if first else None
    if languages is None:
        return False
    plain = " ".join(unicodedata.normalize("NFC", beginning.translate(_APOSTROPHES)).casefold().split()) + " "
    return any(_refuses_in(language, plain) for language in languages)


def _refuses_in(language: Language, text: str) -> bool:
    for _ in range(_MOST_CLAUSES):
        if _begins(text, language.whole) or _declines(language, text):
            return True
        if aside := _begins(text, language.asides):
            end = _CLAUSE_END.search(text, len(aside))
            rest = text[end.start() :] if end else ""
        elif opener := _begins(text, language.openers):
            rest = text[len(opener) :]
        else:
            return False
        text = rest.lstrip(_BETWEEN)
    return False


def _declines(language: Language, text: str) -> bool:
    """Whether the text begins with a stem, and what it says to be impossible is something that assistants are asked for."""
    stem = _begins(text, language.stems)
    if not stem:
        return False
    rest = text[len(stem) :].lstrip()
    if language.negations:
        return any(_negated(language, rest, negation) for negation in language.negations)
    for _ in range(_MOST_FILLERS):
        if rest.startswith(language.verbs):
            return not rest.startswith(language.unless)
        word, _, after = rest.partition(" ")
        if word not in language.fillers:
            return False
        rest = after
    return False


def _negated(language: Language, rest: str, negation: str) -> bool:
    """``... nicht [up to three words] helfen``, without punctuation on the way."""
    at = f" {rest}".find(f" {negation} ", 0, _MOST_BEFORE_NEGATION)
    if at < 0 or _CLAUSE_END.search(rest, 0, at):
        return False
    after = rest[at + len(negation) :].lstrip()
    for _ in range(_MOST_AFTER_NEGATION + 1):
        if after.startswith(language.verbs):
            return True
        word, _, after = after.partition(" ")
        if not word.isalpha():
            return False
    return False


def _begins(text: str, phrases: tuple[str, ...]) -> str:
    """The longest of the phrases that the text begins with, as whole words; empty if none."""
    if not text.startswith(phrases):
        return ""
    found = (phrase for phrase in phrases if text.startswith(phrase) and not (phrase[-1].isalnum() and text[len(phrase)].isalnum()))
    return max(found, key=len, default="")


def _by_first_word() -> dict[str, tuple[Language, ...]]:
    """Most answers begin with a word that no refusal begins with: one look-up tells."""
    found: dict[str, dict[str, Language]] = defaultdict(dict)
    for language in LANGUAGES:
        for phrases in (language.asides, language.openers, language.stems, language.whole):
            for phrase in phrases:
                if first := _FIRST_WORD.match(phrase):
                    found[first.group()][language.name] = language
    return {word: tuple(languages.values()) for word, languages in found.items()}


_BY_FIRST_WORD: Final = _by_first_word()
