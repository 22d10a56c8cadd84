from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.linters.habits import check

Tree = Callable[[dict[str, str]], Path]
MANY = "x = 1\n" * 4000


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"gateway/a.py": "try:\n    pass\nexcept Exception:  # noqa: BLE001 - a border\n    pass\n"}, "broad excepts per 1,000 lines"),
        ({"gateway/a.py": MANY + "try:\n    pass\nexcept Exception:\n    pass\n"}, "gateway/a.py:4003: a broad except or a silenced check needs its reason"),
        ({"gateway/a.py": "x = 1  # noqa: S105\n"}, "gateway/a.py:1: a broad except or a silenced check needs its reason"),
        ({"gateway/a.py": "def f():\n    raise NotImplemented" + "Error\n"}, "gateway/a.py:2: a promise in the place of code"),
        ({"gateway/a.py": "# TO" + "DO: later\n"}, "gateway/a.py:1: a promise in the place of code"),
        ({"tests/test_a.py": "def test_a():\n    f()\n"}, "tests/test_a.py:1: test_a asserts nothing"),
        ({"tests/test_a.py": "from unittest.mock import MagicMock\n"}, "mocks per 1,000 lines"),
        ({"docs/a.md": "see /ro" + "ot/x\n"}, "docs/a.md:1: names a path of one machine, or an issue"),
    ],
)
def test_work_left_half_done_is_found(tree: Tree, files: dict[str, str], expected: str) -> None:
    root = tree(files)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    assert [expected in breach for breach in check(root)] == [True]


@pytest.mark.parametrize(
    "reasoned",
    [
        "try:\n    pass\nexcept Exception:  # noqa: BLE001 - the border of a library that raises anything\n    pass\n",
        "try:\n    pass\nexcept BaseException:\n    # whatever it was, nothing may stay half written\n    raise\n",
        "x = 1  # type: ignore[union-attr]  # it is open\n",
    ],
)
def test_what_has_its_reason_passes(tree: Tree, reasoned: str) -> None:
    assert check(tree({"gateway/a.py": MANY + reasoned, "tests/test_a.py": "def test_a():\n    with pytest.raises(ValueError):\n        f()\n"})) == []
