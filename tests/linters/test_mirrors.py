from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.linters.mirrors import check

Tree = Callable[[dict[str, str]], Path]
CODE = "def f():\n    pass\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"gateway/a/b.py": CODE, "tests/a/test_b.py": ""}, []),
        ({"gateway/a/b.py": CODE, "tests/a/test_b_when_full.py": ""}, []),
        ({"gateway/__main__.py": CODE, "tests/test_main.py": ""}, []),
        ({"gateway/a/b.py": CODE, "gateway/a/c/d.py": CODE, "tests/test_a.py": ""}, ["gateway/a/c/d.py: has no tests/a/c/test_d.py"]),
        ({"gateway/a/b.py": CODE}, ["gateway/a/b.py: has no tests/a/test_b.py"]),
        ({"gateway/a/b.py": "X = 1\n"}, []),
        ({"gateway/migrations/env.py": CODE}, []),
        ({"gateway/a/b.py": "", "tests/a/test_documentation.py": ""}, []),
        ({"gateway/a.py": "", "tests/b/test_documentation.py": ""}, ["tests/b/test_documentation.py: mirrors no module of gateway/"]),
        ({"gateway/a.py": "", "tests/test_c.py": ""}, ["tests/test_c.py: mirrors no module of gateway/"]),
        ({"gateway/a.py": "", "tests/e2e/test_c.py": "", "tests/linters/test_d.py": ""}, []),
        ({"gateway/a/b.py": "X = 1\n", "tests/test_a.py": ""}, []),
    ],
)
def test_tests_and_modules_mirror_each_other(tree: Tree, files: dict[str, str], expected: list[str]) -> None:
    (tree({}) / "tests").mkdir(exist_ok=True)
    assert check(tree(files)) == expected
