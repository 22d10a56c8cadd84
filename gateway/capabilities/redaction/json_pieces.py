r"""A JSON text, such as the arguments of a tool call, cut into pieces leaf by leaf while it streams.

Every string, keys included, is decoded, scanned under the key that it stands under, and escaped again when rendered; long numbers are scanned as a
whole; punctuation passes. What is rendered is therefore the beginning of a valid JSON text whenever the model's is. Models make mistakes:

- an escape that JSON does not know (``\alpha``) counts as the two characters that it is made of, and leaves as such, escaped;
- a control character in a string is taken as it is, and leaves escaped;
- a lone surrogate stays an escape;
- from anything else that cannot be JSON on, the rest is scanned as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.capabilities.redaction.pieces import END, Kind, LeafPieces, Piece
from gateway.capabilities.redaction.scanning import Scan, SegmentStream

_RUN = re.compile(r'[^"\\]+')
_PUNCTUATION = re.compile(r"[ \t\r\n{}\[\],:]+")
_NUMBER = re.compile(r"[0-9.eE+\-]+")
_LITERAL = re.compile(r"[a-z]+")
_SHORT_TOKEN = re.compile(r"(?:-?[0-9][0-9.]{0,4}|true|false|null)(?=[ \t\r\n,\]}])")
"""A token that needs no scan and whose end has come."""
_HEX = re.compile("[0-9a-fA-F]{0,4}")
_SIMPLE = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS = frozenset({"true", "false", "null"})
_OPEN, _CLOSE, _SPACE = "{[", "}]", " \t\r\n"
_NUMBER_STARTS = frozenset("-+.0123456789")
_OUTSIDE, _INSIDE, _IN_NUMBER, _IN_LITERAL, _PLAIN = range(5)
LONG_NUMBER = 7
_UNIT_DIGITS = 4
LONGEST_NUMBER = 512
LONGEST_CUE = 128


class JsonPieces:
    """One streamed JSON text. ``stream`` opens a scanner for a leaf under a key, ``scan`` scans a number."""

    __slots__ = (
        "_cues", "_decoded", "_escape", "_expect_key", "_high", "_is_key", "_key", "_leaf",
        "_passing", "_pieces", "_scan", "_stack", "_started", "_state", "_stream", "_token",
    )  # fmt: skip
    _leaf: LeafPieces | None

    def __init__(self, stream: Callable[[str | None], SegmentStream], scan: Scan) -> None:
        self._stream = stream
        self._scan = scan
        self._state = _OUTSIDE
        self._stack: list[str] = []
        self._cues: list[str] = []
        self._expect_key = False
        self._started = False
        self._token = ""
        self._decoded: list[str] = []
        self._escape = ""
        self._high = ""
        self._is_key = False
        self._key = ""
        self._pieces: list[Piece] = []
        self._passing: list[str] = []

    def push(self, delta: str, /) -> list[Piece]:
        """The pieces that are certain once ``delta`` was added."""
        position, size = 0, len(delta)
        while position < size:
            position = self._step(delta, position)
        self._scan_decoded()
        return self._taken()

    def finish(self) -> list[Piece]:
        """The pieces that were held, and the end. An escape that was cut off stays cut off."""
        if self._token:
            self._end_token()
        if self._state in {_INSIDE, _PLAIN}:
            cut = self._escape
            self._settle_surrogate()
            self._end_leaf()
            if cut:
                self._raw(cut)
        return [*self._taken(), END]

    def _step(self, text: str, position: int) -> int:
        if self._state == _INSIDE:
            return self._inside(text, position)
        if self._state == _OUTSIDE:
            return self._outside(text, position)
        if self._state == _PLAIN:
            return self._plain(text, position)
        return self._lexeme(text, position)

    def _taken(self) -> list[Piece]:
        self._add([])
        pieces = self._pieces
        self._pieces = []
        return pieces

    def _raw(self, text: str) -> None:
        self._passing.append(text)

    def _add(self, pieces: list[Piece]) -> None:
        """Add pieces after the punctuation before them, which is one piece."""
        if self._passing:
            self._pieces.append(Piece(Kind.RAW, "".join(self._passing)))
            self._passing.clear()
        self._pieces += pieces

    # Outside of strings

    def _outside(self, text: str, position: int) -> int:
        run = _PUNCTUATION.match(text, position)
        if run is not None:
            return self._punctuation(text, position, run.end())
        if self._started and not self._stack:
            return self._fail(text, position)
        if text[position] == '"':
            self._begin_string()
            return position + 1
        return self._begin_token(text, position)

    def _begin_token(self, text: str, position: int) -> int:
        """A number or a literal, if it can be one; the character is looked at again as a part of it."""
        short = _SHORT_TOKEN.match(text, position)
        if short is not None:
            self._started = True
            self._raw(short[0])
            return short.end()
        if text[position] in _NUMBER_STARTS:
            self._state = _IN_NUMBER
        elif _LITERAL.match(text, position):
            self._state = _IN_LITERAL
        else:
            return self._fail(text, position)
        self._started = True
        return position

    def _punctuation(self, text: str, start: int, end: int) -> int:
        """A run of punctuation, as far as it can be JSON."""
        for position in range(start, end):
            char = text[position]
            if not (char in _SPACE or self._structural(char)):
                if position > start:
                    self._raw(text[start:position])
                return self._fail(text, position)
        self._raw(text[start:end])
        return end

    def _structural(self, char: str) -> bool:
        if char in _OPEN:
            if self._started and not self._stack:
                return False
            self._cues.append("" if char == "{" or not self._cues else self._cues[-1])
            self._stack.append(char)
            self._expect_key = char == "{"
            self._started = True
        elif not self._stack:
            return False
        elif char in _CLOSE:
            if (self._stack.pop() == "{") != (char == "}"):
                return False
            self._cues.pop()
            self._expect_key = False
        else:
            self._expect_key = char == "," and self._stack[-1] == "{"
        return True

    def _lexeme(self, text: str, position: int) -> int:
        """Numbers and literals are held to their end, which the character after them shows."""
        pattern, longest = (_NUMBER, LONGEST_NUMBER) if self._state == _IN_NUMBER else (_LITERAL, len("false"))
        match = pattern.match(text, position)
        if match is None:
            self._end_token()
            return position
        self._token += match[0]
        return self._fail(text, match.end()) if len(self._token) > longest else match.end()

    def _end_token(self) -> None:
        token, self._token = self._token, ""
        if self._state == _IN_LITERAL and token not in _LITERALS:
            self._token = token
            self._fail("", 0)
            return
        self._state = _OUTSIDE
        findings = self._scan(token, key=self._cue()) if len(token) >= LONG_NUMBER else ()
        if findings:
            self._add([Piece(Kind.NUMBER, token, findings[0].category)])
        else:
            self._raw(token)

    def _cue(self) -> str | None:
        return self._cues[-1] or None if self._cues else None

    # Strings

    def _begin_string(self) -> None:
        self._started = True
        self._is_key = self._expect_key
        self._key = ""
        self._leaf = None
        self._state = _INSIDE
        self._raw('"')

    def _inside(self, text: str, position: int) -> int:
        if self._escape:
            return self._escaped(text, position)
        match = _RUN.match(text, position)
        if match is not None:
            self._settle_surrogate()
            self._decoded.append(match[0])
            return match.end()
        if text[position] == "\\":
            self._escape = "\\"
            return position + 1
        self._settle_surrogate()
        self._end_leaf()
        self._raw('"')
        if self._is_key and self._cues:
            self._cues[-1] = self._key
        self._state = _OUTSIDE
        return position + 1

    def _escaped(self, text: str, position: int) -> int:
        """Take characters until the escape is complete, then decode it."""
        taken = self._escape + text[position]
        digits = taken[2:]
        if taken[1] != "u":
            self._escape = ""
            self._settle_surrogate()
            self._decoded.append(_SIMPLE.get(taken[1], taken))
        elif _HEX.fullmatch(digits) is None:  # plain characters after all, and the last one is looked at afresh
            self._escape = ""
            self._settle_surrogate()
            self._decoded.append(taken[:-1])
            return position
        elif len(digits) == _UNIT_DIGITS:
            self._escape = ""
            self._unit(chr(int(digits, 16)))
        else:
            self._escape = taken
        return position + 1

    def _unit(self, unit: str) -> None:
        """One UTF-16 code unit: the halves of a pair come as two escapes."""
        if self._high and "\udc00" <= unit <= "\udfff":
            self._decoded.append((self._high + unit).encode("utf-16-le", "surrogatepass").decode("utf-16-le"))
            self._high = ""
            return
        self._settle_surrogate()
        if "\ud800" <= unit <= "\udbff":
            self._high = unit
        else:
            self._decoded.append(unit)

    def _settle_surrogate(self) -> None:
        if self._high:
            self._decoded.append(self._high)
            self._high = ""

    def _scan_decoded(self) -> None:
        if self._decoded:
            decoded = "".join(self._decoded)
            self._decoded.clear()
            if self._is_key and len(self._key) < LONGEST_CUE:
                self._key += decoded[:LONGEST_CUE]
            if self._leaf is None:
                self._leaf = LeafPieces(self._stream(None if self._is_key else self._cue()), escape=True)
            self._add(self._leaf.push(decoded))

    def _end_leaf(self) -> None:
        self._scan_decoded()
        if self._leaf is not None:
            self._add(self._leaf.finish())

    # Not JSON

    def _fail(self, text: str, position: int) -> int:
        """From here on, and from the beginning of an open number or literal, this is plain text."""
        self._leaf = LeafPieces(self._stream(None))
        self._is_key = False
        self._state = _PLAIN
        if self._token:
            self._decoded.append(self._token)
            self._token = ""
        return self._plain(text, position)

    def _plain(self, text: str, position: int) -> int:
        self._decoded.append(text[position:])
        return len(text)
