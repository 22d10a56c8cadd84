"""Which names of rules and categories may stand in a report: a policy can compute one from content, and a report never shows content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

COMPUTED: Final = "(computed)"
OLDER: Final = "(of a policy that is not at hand)"
_OWN: Final = "policy."
_MOST: Final = 10_000


class Names:
    """Names that stand literally in the text of a policy, or that the gateway itself gives."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._text = "\n".join(texts)
        self._shown: dict[str, str] = {}

    def shown(self, name: str, *, at_hand: bool = True) -> str:
        """The name, or that it was computed. ``at_hand``: whether the policy that gave it is among those whose text is known."""
        shown = self._name(name)
        return shown if at_hand or shown != COMPUTED else OLDER

    def _name(self, name: str) -> str:
        known = self._shown.get(name)
        if known is None:
            literal = f'"{_escaped(name)}"' in self._text or f"`{name}`" in self._text
            known = name if name and (literal or name.startswith(_OWN)) else COMPUTED
            if len(self._shown) < _MOST:
                self._shown[name] = known
        return known


def _escaped(name: str) -> str:
    """As it stands in Rego where it holds quotes or backslashes."""
    return name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
