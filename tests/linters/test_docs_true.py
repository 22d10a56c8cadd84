from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.linters.docs_true import check

Tree = Callable[[dict[str, str]], Path]

FILES = {"Makefile": "test: setup ## t\n\ttrue\n", "docs/other.md": "# A Heading, here\n", "gateway/a.py": 'CODE = "policy.malformed"\n'}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`make tests`", "`make tests` is no target of the Makefile"),
        ("```console\n$ FOO=1 make tests  # why\n```", "`make tests` is no target of the Makefile"),
        ("`gateway nothing`", "`gateway nothing` is no command"),
        ("```\ngateway init --confg x\n```", "`gateway init --confg` has no option --confg"),
        ("[a](docs/none.md)", "links to docs/none.md, which does not exist"),
        ("[a](docs/other.md#nothing)", "links to docs/other.md#nothing, which has no such heading"),
        ("`gateway/b.py`", "`gateway/b.py` does not exist"),
        ("`server.lisen`", "`server.lisen` is neither a config key nor a name in the code"),
        ("`targets.NAME.prise.x`", "`targets.NAME.prise.x` is neither a config key nor a name in the code"),
    ],
)
def test_what_the_docs_name_and_is_not_there_is_found(tree: Tree, text: str, expected: str) -> None:
    assert check(tree({**FILES, "README.md": f"{text}\n"})) == [f"README.md: {expected}"]


@pytest.mark.parametrize(
    "text",
    [
        "`make test`",
        "make sure that it works",
        "```console\n$ gateway init --config other.yaml && make test\n```",
        "the gateway takes no part",
        "[a](docs/other.md#a-heading-here), [b](https://example.com/x), [c](docs/)",
        "`gateway/a.py`, `build/bench.json`, `.gateway/heads`, `nothing/at/all`",
        "`server.limits.body_bytes`, `targets.NAME.price.input_usd_per_mtok`, `policy.malformed`, `records.py`",
    ],
)
def test_what_is_true_passes(tree: Tree, text: str) -> None:
    assert check(tree({**FILES, "README.md": f"{text}\n"})) == []
