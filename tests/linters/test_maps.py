from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.linters.maps import check

Tree = Callable[[dict[str, str]], Path]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"gateway/__init__.py": '"""Map."""\n', "gateway/a.py": ""}, []),
        ({"gateway/a.py": ""}, ["gateway: has no __init__.py to be its map"]),
        ({"gateway/__init__.py": ""}, ["gateway/__init__.py: has no docstring"]),
        ({"gateway/__init__.py": '"""Map."""\nx = 1\n'}, ["gateway/__init__.py: has code; it is a map only"]),
        ({"gateway/__init__.py": '"""Map."""\n', "gateway/migrations/env.py": ""}, []),
    ],
)
def test_a_folder_has_a_map_and_the_map_no_code(tree: Tree, files: dict[str, str], expected: list[str]) -> None:
    assert check(tree(files)) == expected
