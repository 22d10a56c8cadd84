"""How a table row is written: the guards that stand around every structured value."""

from __future__ import annotations

from gateway.capabilities.findings.model import Check, Recogniser

LEFT = rb"(?<![0-9A-Za-z][-./])(?<![_@])(?<!\d,)"
"""A value does not go on to the left over a hyphen, dot or slash: no pieces of UUIDs, versions, paths."""

RIGHT = rb"(?![0-9A-Za-z_@])(?![-./:,]\d)(?!-[A-Za-z])"
"""Nor to the right."""

SEP = rb"[ .\-]?"


def row(category: str, pattern: bytes, check: Check | None = None, *, cued: bool = False, rank: int = 50, cues: tuple[str, ...] = ()) -> Recogniser:
    """A row of a category whose name begins with its country, between the guards."""
    country = category[:2] if category[2:3] == "_" else ""
    country = {"UK": "GB"}.get(country, country)
    grouped = b" " in pattern and category != "CREDIT_CARD"
    left, right = (LEFT + rb"(?<!\d )", RIGHT + rb"(?! \d)") if grouped else (LEFT, RIGHT)
    return Recogniser(category=category, pattern=left + pattern + right, check=check, cued=cued, rank=rank, cues=cues, country=country)
