"""What one destination may see. A view decides value by value; a renderer writes pieces as the view allows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from gateway.capabilities.redaction.pieces import Kind, Piece
from gateway.capabilities.redaction.placeholders import ALIAS_PREFIX, Restorer, Vault
from gateway.domain import SECRET, Destination, Finding, Obligations

_MUST_ESCAPE = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape_char(match: re.Match[str]) -> str:
    return _SHORT_ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}"


def escape_json(text: str) -> str:
    """``text`` as the content of a JSON string: only what must be escaped is, lone surrogates included."""
    return _MUST_ESCAPE.sub(_escape_char, text)


def _encodable(text: str) -> str:
    """``text`` without lone surrogates, which no UTF-8 body can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


class View:
    """What ``destination`` sees under ``obligations``.

    ``own`` are the values that the caller sent: it gets those back. ``secrets`` are the secrets that it sent: nobody gets those, whatever
    an answer makes of them. ``hidden`` counts what was hidden, by category; each occurrence counts.
    """

    __slots__ = ("_own", "_replaced", "_restorer", "_reveals", "_secrets", "_to_model", "hidden", "to_record", "vault")

    def __init__(self, vault: Vault, obligations: Obligations, destination: Destination, own: Collection[str] = (), secrets: Collection[str] = ()) -> None:
        self.vault = vault
        self.hidden: dict[str, int] = {}
        self._replaced: dict[tuple[str, str], tuple[str, str]] = {}
        self._own = own if destination is Destination.CALLER else ()
        self._secrets = secrets
        granted = obligations.reveal.get(destination, frozenset())
        self._reveals: frozenset[str] | None = None if "*" in granted else granted
        self._to_model = destination is Destination.MODEL
        self.to_record = destination is Destination.RECORD
        self._restorer: Restorer | None = None if destination is not Destination.MODEL else Restorer({})
        if destination is Destination.CALLER:
            self._restorer = Restorer({token: value for token, (_, value) in vault.restorable.items()})

    @property
    def restorer(self) -> Restorer:
        """Puts back what this destination may see: everything for the caller, nothing for the model, what is granted for others."""
        if self._restorer is None:
            self._restorer = Restorer({token: value for token, (category, value) in self.vault.restorable.items() if self._granted(category)})
        return self._restorer

    def shows(self, category: str, value: str) -> bool:
        """Whether this destination sees ``value``."""
        if category == SECRET or value in self._secrets:
            return False
        return self._granted(category) or value in self._own

    def replacement(self, category: str, value: str) -> str | None:
        """What stands in place of ``value``; ``None`` if it is shown."""
        known = self._replaced.get((category, value))
        if known is None:
            if self.shows(category, value):
                return None
            as_what = SECRET if value in self._secrets else category
            token = self.vault.placeholder(as_what, value)
            if self._to_model:
                self.vault.remember(token, as_what, value)
            known = self._replaced[category, value] = token, as_what
        token, as_what = known
        self.hidden[as_what] = self.hidden.get(as_what, 0) + 1
        return token

    def hidden_of(self, categories: Collection[str]) -> Collection[str]:
        """Those of ``categories`` whose values this destination does not see: the very same object if it sees none."""
        if self._reveals is not None and self._reveals.isdisjoint(categories):
            return categories
        return [category for category in categories if not self._granted(category)]

    def hide(self, hidden: Collection[str], totals: Mapping[str, int], tokens: Iterable[str], found: Iterable[tuple[str, str]]) -> None:
        """Note that ``tokens`` stand in place of what was ``found``, as far as its category is ``hidden``; ``totals`` counts that by category.

        As ``replacement``, where the tokens are known and no secret is a value of another category too.
        """
        for category in hidden:
            self.hidden[category] = self.hidden.get(category, 0) + totals[category]
        if self._to_model:
            pairs = zip(tokens, found, strict=True)
            if hidden is totals and SECRET not in totals:
                self.vault.restorable.update(pairs)
            else:
                self.vault.restorable.update((token, pair) for token, pair in pairs if pair[0] in hidden and pair[0] != SECRET)

    def identifier(self, text: str, findings: Iterable[Finding]) -> str:
        """An id or a name: as a whole restored, shown or replaced by an alias, so that it stays legal."""
        restored = self.restorer.values.get(text)
        if restored is not None:
            return restored
        for category, start, end in findings:
            if not self.shows(category, text[start:end]):
                self.hidden[category] = self.hidden.get(category, 0) + 1
                alias = self.vault.alias(category, text)
                if self._to_model:
                    self.vault.remember(alias, category, text)
                return alias
        return text

    def _granted(self, category: str) -> bool:
        return category != SECRET and (self._reveals is None or category in self._reveals)


class OneWayView(View):
    """What a model sees of a text that becomes a vector: a hidden value is its type alone, so that texts which differ in such values alone are the same text.

    Nothing can be put back, and nothing has to be.
    """

    __slots__ = ()

    def __init__(self, vault: Vault, obligations: Obligations, secrets: Collection[str] = ()) -> None:
        super().__init__(vault, obligations, Destination.MODEL, secrets=secrets)

    def replacement(self, category: str, value: str) -> str | None:
        """The type of ``value``; ``None`` if it is shown."""
        if self.shows(category, value):
            return None
        as_what = SECRET if value in self._secrets else category
        self.hidden[as_what] = self.hidden.get(as_what, 0) + 1
        return f"<{as_what}>"

    def identifier(self, text: str, findings: Iterable[Finding]) -> str:
        """An id or a name: as a whole shown or replaced by a type, so that it stays legal."""
        for category, start, end in findings:
            if not self.shows(category, text[start:end]):
                self.hidden[category] = self.hidden.get(category, 0) + 1
                return ALIAS_PREFIX + category.lower()
        return text


class Renderer:
    """Writes the pieces of one text for one view. In a JSON text (``json``) what is restored is escaped."""

    __slots__ = ("_held", "_held_escape", "_hiding", "_json", "_view", "touched")

    def __init__(self, view: View, *, json: bool) -> None:
        self._view = view
        self._json = json
        self._held = ""
        self._held_escape = False
        self._hiding = False
        self.touched = False
        """Whether something was hidden or restored so far."""

    @property
    def holds(self) -> bool:
        """Whether the beginning of a placeholder is held back."""
        return bool(self._held)

    def render(self, pieces: Iterable[Piece]) -> str:
        """What this destination gets for ``pieces``. The beginning of a placeholder that could be restored is held back until it is complete."""
        written: list[str] = []
        for kind, text, category, escape in pieces:
            if kind is Kind.TEXT:
                written.append(self._text(text, escape=escape))
                continue
            if self._held:
                written.append(self._release())
            if kind is Kind.RAW:
                written.append(text)
            elif kind is Kind.MORE:
                written.append("" if self._hiding else self._plain(text, escape=escape))
            elif kind is not Kind.END:
                written.append(self._found(kind, text, category, escape=escape))
        return "".join(written)

    def _found(self, kind: Kind, text: str, category: str, *, escape: bool) -> str:
        replacement = self._view.replacement(category, text)
        self._hiding = replacement is not None
        if replacement is None:
            return self._plain(text, escape=escape)
        self.touched = True
        return f'"{replacement}"' if kind is Kind.NUMBER else replacement

    def _text(self, text: str, *, escape: bool) -> str:
        restorer = self._view.restorer
        if self._held:
            text, self._held = self._held + text, ""
        if not restorer.concerns(text):
            return self._plain(text, escape=escape)
        written: list[str] = []
        for plain, value in restorer.split(text):
            if value is None:
                hold = restorer.hold_from(plain)
                self._held, self._held_escape = plain[hold:], escape
                written.append(self._plain(plain[:hold], escape=escape))
            else:
                self.touched = True
                written += self._plain(plain, escape=escape), escape_json(value) if self._json else _encodable(value)
        return "".join(written)

    def _release(self) -> str:
        held, self._held = self._held, ""
        return self._plain(held, escape=self._held_escape)

    def _plain(self, text: str, *, escape: bool) -> str:
        return escape_json(text) if escape else text
