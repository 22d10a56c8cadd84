"""Rebuilds a JSON value as one destination may see it: copies of the containers on the way to a changed leaf, everything else shared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from gateway.capabilities.redaction.leaves import Leaf, Link, path
from gateway.capabilities.redaction.shapes import Role
from gateway.capabilities.redaction.views import Renderer, View


class Rebuilt(NamedTuple):
    """A value as a destination sees it, and the leaves that differ from the original."""

    value: Any
    touched: list[Leaf]


def rebuild(root: Any, leaves: Iterable[Leaf], view: View, media: Iterable[Link] = (), *, respell: bool = False) -> Rebuilt:
    """``root`` as ``view`` may see it: the very same object if nothing differs, else a copy that shares what is untouched.

    ``media`` are the places of payloads to be left out. ``respell``: JSON texts have the escapes that a stream gives them, even if nothing else differs.
    """
    copies = Copies(root)
    touched: list[Leaf] = []
    renamed: dict[Link, dict[str, str]] = {}
    for leaf in leaves:
        text, differs = _rendered(leaf, view)
        if differs:
            touched.append(leaf)
        elif not respell or text == leaf.text:
            continue
        if leaf.is_key and leaf.link is not None:
            renamed.setdefault(leaf.link[0], {})[leaf.text] = text
        else:
            copies.set(leaf.link, text)
    for link in media:
        copies.set(link, "<UNSCANNED>")
    for owner in sorted(renamed, key=lambda link: -len(path(link))):  # deepest first: places are named by the original keys
        copies.rename(owner, renamed[owner])
    return Rebuilt(copies.root, touched)


def _rendered(leaf: Leaf, view: View) -> tuple[str, bool]:
    """A leaf as ``view`` may see it, and whether that says something else than the original."""
    if leaf.role is Role.IDENTIFIER:
        text = view.identifier(leaf.text, leaf.findings)
        return text, text != leaf.text
    renderer = Renderer(view, json=leaf.role is Role.JSON)
    return renderer.render(leaf.pieces), renderer.touched


class Copies:
    """Copies of the containers on the way to what was changed."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._copies: dict[Link, Any] = {}

    def set(self, link: Link, value: Any) -> None:
        """Put ``value`` at ``link``."""
        if link is None:
            self.root = value
        else:
            self.own(link[0])[link[1]] = value

    def rename(self, link: Link, names: dict[str, str]) -> None:
        """Give keys of the object at ``link`` other names in their places; keys that become the same are told apart by a number."""
        owner = self.own(link)
        items = list(owner.items())
        taken = dict.fromkeys((key for key, _ in items if key not in names), 1)
        owner.clear()
        for key, value in items:
            name = key
            if key in names:
                name = _free(names[key], taken)
            owner[name] = value

    def own(self, link: Link) -> Any:
        """The container at ``link``, copied if that has not been done yet."""
        missing: list[tuple[Link, str | int]] = []
        while link is not None and link not in self._copies:
            missing.append(link)
            link = link[0]
        copy = self._copies.get(link)
        if copy is None:
            copy = self.root = self._copies[None] = self.root.copy()
        for place in reversed(missing):
            step = place[1]
            copy[step] = self._copies[place] = copy[step].copy()
            copy = copy[step]
        return copy


def _free(name: str, taken: dict[str, int]) -> str:
    """``name``, with a number if it is taken. ``taken``: name -> how often it was asked for."""
    free = name
    while free in taken:
        taken[name] = taken.get(name, 1) + 1
        free = f"{name}_{taken[name]}"
    taken[free] = 1
    return free
