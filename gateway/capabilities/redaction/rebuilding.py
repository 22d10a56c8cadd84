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
    renamed: list[tuple[Leaf, str]] = []
    for leaf in leaves:
        text, differs = _rendered(leaf, view)
        if differs:
            touched.append(leaf)
        elif not respell or text == leaf.text:
            continue
        if leaf.is_key:
            renamed.append((leaf, text))
        else:
            copies.set(leaf.link, text)
    for link in media:
        copies.set(link, "<UNSCANNED>")
    renamed.sort(key=lambda item: -len(path(item[0].link)))  # deepest first: places are named by the original keys
    for leaf, text in renamed:
        copies.rename(leaf.link, text)
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

    def rename(self, link: Link, new: str) -> None:
        """Give a key another name in its place; two keys that become the same are told apart."""
        if link is None:
            return
        owner, old = self.own(link[0]), link[1]
        number = 1
        name = new
        while name in owner:
            number += 1
            name = f"{new}_{number}"
        items = [(name if key == old else key, value) for key, value in owner.items()]
        owner.clear()
        owner.update(items)

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
