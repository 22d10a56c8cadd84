"""What files say of themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.annotations import blocks, lint_annotations, states_version
from gateway.capabilities.policy.problems import Problem

STATED = "# METADATA\n# scope: package\n# custom:\n#   input: gateway.input/v1\npackage gateway.intent\n"


@pytest.mark.parametrize(
    ("text", "states"),
    [
        (STATED, True),
        (STATED.replace("# scope: package\n", ""), True),
        (STATED.replace("\n", "\r\n"), True),
        ("# Words before it.\n\n" + STATED, True),
        ("package gateway.intent\n", False),
        ("# METADATA\n# title: no version\npackage gateway.intent\n", False),
        (STATED.replace("custom", "other"), False),
        ("package gateway.intent\n\n" + STATED.replace("package gateway.intent", "a := 1").replace("# scope: package\n", ""), False),
    ],
)
def test_a_package_states_its_version_or_not(text: str, states: bool) -> None:
    assert states_version(text) is states
    assert lint_annotations("a.rego", text) == []


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (STATED.replace("/v1", "/v2"), [(4, 5, "contract-version")]),
        ("\n# Words.\n\n" + STATED.replace("gateway.input/v1", "1"), [(7, 5, "contract-version")]),
        ("# METADATA\n# custom: {input: gateway.input/v0}\npackage a\n", [(2, 12, "contract-version")]),
        ("# METADATA\n# schemas:\n#   - input: schema.verdict\n#   - data.x: schema.anything\npackage a\n", [(2, 3, "schema-annotation")]),
        ("# METADATA\n# scope: package\n# title: [\npackage a\n", [(4, 1, "metadata")]),
    ],
)
def test_what_is_wrong_with_them_has_a_place(text: str, places: list[tuple[int, int, str]]) -> None:
    assert [(problem.line, problem.col, problem.rule) for problem in lint_annotations("a.rego", text)] == places


@given(st.text(alphabet="# METADATA:{}[]-\n\tcustominputschema./v12&*!'\"").map(lambda text: "# METADATA\n# " + text))
def test_any_comment_is_read_or_refused(text: str) -> None:
    problems: list[Problem] = []
    found = list(blocks("a.rego", text, problems))
    assert all(1 <= annotation.line <= text.count("\n") + 1 for annotation in found)
    assert all(problem.rule == "metadata" for problem in problems)
    assert isinstance(lint_annotations("a.rego", text), list)
