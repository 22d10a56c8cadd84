"""What is worth a word; ``test_lint_rules`` has a case for each rule."""

from __future__ import annotations

from pathlib import Path

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.lint_advice import advice_on
from gateway.capabilities.policy.syntax import Program
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine
from tests.capabilities.policy.good_policies import ANSWER, HEAD


def test_a_rule_that_only_a_test_reaches_is_reached(tmp_path: Path) -> None:
    files = {
        "intent.rego": HEAD + "a if true\n\nidle := 1\n\ntested := 2\n\nsystem_like := 3\n",
        "answer.rego": ANSWER,
        "mask.rego": "package system.log\n\nmask contains `/input/request/messages`\n",
        "intent_test.rego": "package gateway.intent_test\n\nimport data.gateway.intent\n\ntest_a if intent.tested == 2\n\nhelper := intent.system_like\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    bundle = load_bundle(tmp_path)
    program = Program(EmbeddedEngine(bundle.modules, bundle.data_json).ast())
    assert [problem.what.rpartition(" ")[2] for problem in advice_on(bundle, program)] == ["idle", "system_like"]
    (tmp_path / "intent_test.rego").write_text("package gateway.intent_test\n\ntest_a if {")
    assert len(advice_on(load_bundle(tmp_path), program)) == 3
