"""A folder's ``__init__.py`` is its map: there is one, it has a docstring, and no code."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.linters.sources import sources


def check(root: Path) -> list[str]:
    found = {source.path: source for source in sources(root, "gateway")}
    breaches = [
        f"{folder}: has no __init__.py to be its map"
        for folder in sorted({path.parent for path in found})
        if folder / "__init__.py" not in found and "migrations" not in folder.parts
    ]
    for path, source in found.items():
        if path.name != "__init__.py":
            continue
        if ast.get_docstring(source.tree) is None:
            breaches.append(f"{path}: has no docstring")
        if len(source.tree.body) > 1:
            breaches.append(f"{path}: has code; it is a map only")
    return breaches
