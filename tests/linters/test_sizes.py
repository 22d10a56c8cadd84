from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.linters.sizes import check

Tree = Callable[[dict[str, str]], Path]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n" * 300, "gateway/a.py: 301 lines (at most 300)"),
        ("def f():\n" + "    x = 1\n" * 60, "gateway/a.py:1: f: 61 lines (at most 60)"),
        ("def f(x):\n    return [i for i in x if i]" + " or x" * 3 + "\n" + "    if x:\n        pass\n" * 9, "gateway/a.py:1: f: 11 branches (at most 10)"),
        ("class A:\n    def f(self, a, b, c, d, e, *, f, g):\n        pass\n", "gateway/a.py:2: f: 7 parameters (at most 6)"),
        ("def f():\n    global x\n    x = 1\n", "gateway/a.py:1: f: global"),
        ("async def f():\n    import os\n", "gateway/a.py:1: f: import inside a function (say why with `# lazy: ...` where it must be)"),
    ],
)
def test_what_is_over_budget_is_found(tree: Tree, text: str, expected: str) -> None:
    assert check(tree({"gateway/a.py": text})) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n" * 299,
        "def f():\n" + "    x = 1\n" * 59,
        "def f(x):\n" + "    if x:\n        pass\n" * 10 + "    def g(y):\n        if y:\n            pass\n",
        "class A:\n    def f(self, a, b, c, d, e, *, f):\n        pass\n",
        "def f():\n    import heavy  # lazy: takes seconds, and most do not need it\n",
    ],
)
def test_what_is_within_budget_passes(tree: Tree, text: str) -> None:
    assert check(tree({"gateway/a.py": text})) == []
