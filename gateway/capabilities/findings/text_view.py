"""Makes the view of a text: placeholders blanked, characters mapped to classes."""

from __future__ import annotations

import re

from gateway.capabilities.findings.model import View

PLACEHOLDER = re.compile(r"<(?:SECRET|[A-Z][A-Z_]{0,95}_[BCDFGHJKLMNPQRST]{16})>")
"""What redaction puts in place of a value. Opaque: nothing is found in it or across it."""

_LETTERS = frozenset(range(0x41, 0x5B)) | frozenset(range(0x61, 0x7B)) | (frozenset(range(0xC0, 0x100)) - {0xD7, 0xF7}) | {0xAA, 0xB5, 0xBA}


def _class_of(byte: int) -> int:
    if 0x30 <= byte <= 0x39:
        return 0x30
    if byte in _LETTERS:
        return 0x61
    if byte in b"\t\xa0 ":
        return 0x20
    return 0x0A if byte in b"\r\n\x0b\x0c" else byte


CLASSES = bytes(_class_of(byte) for byte in range(256))

# Characters that stand for ASCII ones in what people type and paste; each maps to one character, so offsets stay.
_LOOKALIKES = dict.fromkeys((8208, 8209, 8210, 8211, 8212, 8722), "-")
_LOOKALIKES |= dict.fromkeys((160, 8192, 8194, 8195, 8199, 8201, 8239, 12288), " ")
_LOOKALIKES |= {0xFF10 + n: str(n) for n in range(10)} | {0x0660 + n: str(n) for n in range(10)} | {0x06F0 + n: str(n) for n in range(10)}
_LOOKALIKES |= {0xFF20: "@", 0xFF0B: "+", 0xFF0E: ".", 0xFF1A: ":", 0x201C: '"', 0x201D: '"', 0x2018: "'", 0x2019: "'"}
_HAS_LOOKALIKE = re.compile("[" + "".join(map(chr, _LOOKALIKES)) + "]")


# Texts that were quoted once more hold line breaks as a backslash and a letter, which would cling to the number behind them.
_ESCAPED_SPACE = re.compile(r"\\[nrt]")


def _blank(match: re.Match[str]) -> str:
    return "\0" * (match.end() - match.start())


def as_ascii(text: str) -> str:
    """``text`` with each character that stands for an ASCII one replaced by it; as long as before."""
    return text.translate(_LOOKALIKES) if _HAS_LOOKALIKE.search(text) else text


def view_of(text: str, *, final: bool = True) -> View:
    """The view of ``text``; ``final`` says whether the text ends here."""
    plain = PLACEHOLDER.sub(_blank, text) if "<" in text else text
    if not plain.isascii():
        plain = as_ascii(plain)
    if "\\" in plain:
        plain = _ESCAPED_SPACE.sub("\n\n", plain)
    data = plain.encode("latin-1", "replace")
    return View(text=plain, data=data, cls=data.translate(CLASSES), low=data.lower(), final=final)
