"""One bad policy for each rule of the lint, with the exact place, what is said and what to write instead; and good ones about which nothing is said."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.lint import lint
from gateway.capabilities.policy.lint_advice import advice_on, advise
from gateway.capabilities.policy.lint_rules import ERRORS, WARNINGS
from gateway.capabilities.policy.problems import Problem
from gateway.capabilities.policy.source_lint import lint_source
from gateway.capabilities.policy.syntax import Program
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine
from tests.capabilities.policy.good_policies import ANSWER, GOOD, HEAD, META

ROOT = Path(__file__).parents[3]


def found_in(intent: str, data: dict[str, object] | None = None, **modules: str) -> list[Problem]:
    """What is found in an intent module, as ``gateway policy lint`` would: warnings only where there are no errors."""
    sources = {"intent.rego": intent, "answer.rego": ANSWER, **{f"{name}.rego": text for name, text in modules.items()}}
    sources = {name: text for name, text in sources.items() if text}
    problems = [problem for name, text in sources.items() for problem in lint_source(name, text)]
    if problems:
        return problems
    program = Program(EmbeddedEngine(sources, "{}").ast())
    return lint(program, data or {}) or advise(program, sources, lambda: None)


class Case(NamedTuple):
    rule: str
    rego: str
    """The rules from the 14th line on; or, where it holds a package, the whole module."""
    at: tuple[int, int]
    what: str
    rewrite: str = ""


DECIDED = '; input.approvals == ["x"]'
ESCALATES = (
    'a if true\n\nverdict := {{"outcome": "escalate", "reasons": [{{"rule": "a", "message": "b"}}], "obligations": {{"approval": {0}}}}} '
    "if {{ input.attempt == 7{1} }}"
)
CASES = [
    Case("line-length", "a if true # " + "x" * 1_020, (14, 1_025), "longer than 1024"),
    Case("nesting", "a := " + "[" * 9 + "]" * 9, (14, 14), "more than 8 nested"),
    Case("iterations", "a if {\n\tsome x in [1]\n\tsome y in [2]\n\tsome z in [3]\n\tx + y == z\n}", (14, 1), "more than 2 nested iterations"),
    Case("recursion", "a if b\n\nb if a", (14, 1), "the rule a needs itself", "break the circle"),
    Case("control-character", "a if true\x00", (0, 0), "control character"),
    Case("template-string", 'a := $"to {input.request.route} 100%"', (14, 6), "one engine only", 'write sprintf("to %v 100%%", [input.request.route])'),
    Case("template-string", "a := $`x`", (14, 6), "one engine only", "use sprintf or concat"),
    Case("builtin", 'a := http.send({"url": "https://example.com"})', (14, 6), "http.send may not be called", "put what it would fetch into data.yaml"),
    Case("builtin", "a if {\n\tx := 1\n\tx < time.now_ns()\n}", (16, 6), "time.now_ns may not be called", "use input.time"),
    Case("builtin", "a := cuont([1])", (14, 6), "cuont may not be called", "did you mean count?"),
    Case("regex-literal", 'a if regex.match(input.request.route, "x")', (14, 6), "not literal", "write it where it is used, so that it can be checked"),
    Case("regex-class", 'a if regex.match("^\\\\d+-\\\\w[\\\\s.]$", "x")', (14, 18), "different things", "write `^[0-9]+-[0-9A-Za-z_][\\t\\n\\f\\r .]$`"),
    Case("regex-class", "a if regex.match(`\\bx`, `x`)", (14, 18), "different things", "use ASCII classes: [0-9], [a-z], [ \\t]"),
    Case("regex-syntax", "a if regex.match(`(`, `x`)", (14, 18), "does not compile"),
    Case("format", 'a := sprintf("%5.2f", [1])', (14, 6), "literal format", "other verbs differ between the engines: write %v"),
    Case("count-overlap", 'a := strings.count(input.request.route, "aa")', (14, 6), "differently in the two engines"),
    Case("count-overlap", 'a := strings.count(input.request.route, "")', (14, 6), "differently in the two engines"),
    Case(
        "negated-call",
        'a if not startswith(input.request.route, "x")',
        (14, 6),
        "may be undefined",
        'write route := object.get(input, ["request", "route"], ""); not startswith(route, "x")',
    ),
    Case(
        "negated-call",
        "a if {\n\tnot count(input.findings) > 3\n}",
        (15, 2),
        "may be undefined",
        'write findings := object.get(input, "findings", []); not count(findings) > 3',
    ),
    Case("money", "a if input.request.cost_estimate_microusd / 1000000 > 5", (14, 6), "money is divided"),
    Case("money", "a if input.request.cost_estimate_microusd > 0.5", (14, 6), "money meets a fraction", "write 0.5 USD as 500000"),
    Case("with", "a if b with input as {}\n\nb if true", (14, 6), "outside of a test"),
    Case("input-unknown", "a if input.subject.tennant == 1", (14, 6), "the input has no input.subject.tennant", "did you mean input.subject.tenant?"),
    Case("input-unknown", "a if input.subjct.id == 1", (14, 6), "the input has no input.subjct", "did you mean input.subject?"),
    Case("input-unknown", "a if input.answer.text", (14, 6), "the intent hook has no input.answer", "only the answer hook has it"),
    Case("input-unknown", 'a if object.get(input, ["request", "tols"], [])', (14, 17), "no input.request.tols", "did you mean input.request.tools?"),
    Case(
        "input-unknown",
        "a if {\n\tsome f in input.findings\n\tf.categry\n}",
        (16, 2),
        "no input.findings[_].categry",
        "did you mean input.findings[_].category?",
    ),
    Case("input-unknown", "a if input.findings[_].wher", (14, 6), "no input.findings[_].wher", "did you mean input.findings[_].where?"),
    Case("input-unknown", "a if {\n\tevery f in input.findings {\n\t\tf.orign\n\t}\n}", (16, 3), "no input.findings[_].orign"),
    Case("input-unknown", "a if input.request.route.name", (14, 6), "no input.request.route.name", "did you mean input.request.route?"),
    Case("input-unknown", "a if {\n\tr := input.request\n\tr.rout\n}", (16, 2), "no input.request.rout", "did you mean input.request.route?"),
    Case("reference-unknown", "a if data.tabels.x", (14, 6), "there is no data.tabels.x", "did you mean tables?"),
    Case("function-unknown", "a if data.gateway.answer.f(1)", (14, 6), "there is no function data.gateway.answer.f"),
    Case("name-hides", META.format("intent") + "import data.gateway.answer\n\nverdict := answer.verdict\n\nanswer := 1", (13, 1), "hides", "rename it"),
    Case("verdict-form", META.format("intent") + "verdict contains 1", (9, 1), "one complete value", "verdict := {...} if {...}"),
    Case("verdict-shape", 'a if true\n\nverdict := {"outcom": "allow"} if input.attempt == 7', (16, 13), "no entry outcom", "did you mean outcome?"),
    Case("verdict-shape", 'a if true\n\nverdict := {"outcome": "alow"} if input.attempt == 7', (16, 24), "must be one of allow, deny, escalate"),
    Case("verdict-shape", 'a if true\n\nverdict := {"outcome": "deny", "obligations": o} if false\n\no := {"max_tokens": 0}', (18, 21), "from 1 to 100000000"),
    Case(
        "verdict-shape",
        'a if true\n\nverdict := {"outcome": "deny", "reasons": r} if input.attempt == 7\n\nr contains {"rule": "x"}',
        (18, 12),
        "verdict.reasons[_] needs message",
    ),
    Case(
        "verdict-shape",
        'a if true\n\nverdict := {"outcome": "allow", "obligations": {"reveal": {"model": ["SECRET"]}}} if false',
        (16, 70),
        "grants secrets",
        "remove it",
    ),
    Case("verdict-shape", 'a if true\n\nverdict := {"outcome": "allow", "obligations": {"routes": "x"}} if false', (16, 59), "must be an array"),
    Case("hook-missing", "package gateway.other\n\nv := 1", (0, 0), "there is no rule verdict in package gateway.intent", "without it everything is refused"),
    Case("metadata", "# METADATA\n# scope: [\npackage gateway.intent\n\nverdict := 1", (3, 1), "not YAML"),
    Case(
        "contract-version",
        "# METADATA\n# scope: package\n# custom:\n#   input: gateway.input/v2\npackage gateway.intent\n\nverdict := 1",
        (4, 5),
        "another contract than gateway.input/v1",
        "write input: gateway.input/v1",
    ),
    Case(
        "schema-annotation",
        "# METADATA\n# schemas:\n#   - input: schema.intnet\npackage gateway.intent\n\nverdict := 1",
        (2, 3),
        "none of the contract",
        "there are schema.intent, schema.answer",
    ),
    Case("version-missing", 'package gateway.intent\n\nverdict := {"outcome": "allow"}', (1, 1), "does not say which contract"),
    Case("unreachable", "a if true\n\nidle := 1", (16, 1), "no verdict and no test reaches the rule idle", "use it, test it, or remove it"),
    Case("no-default", META.format("intent") + 'verdict := {"outcome": "allow"} if input.attempt == 0', (9, 1), "verdict has no default"),
    Case("no-allow", META.format("intent") + 'default verdict := {"outcome": "deny"}', (9, 1), "no rule can produce the outcome allow"),
    Case("no-allow", META.format("intent") + 'verdict := {"outcome": o}\n\no := "deny"', (9, 1), "no rule can produce the outcome allow"),
    Case("never-true", 'a if input.subject.kind == "robot"', (14, 6), "never equal", "it is one of key, user, agent"),
    Case("never-true", 'a if input.request.stream == "true"', (14, 6), "never equal", "it is boolean"),
    Case("never-true", 'a if {\n\tsome f in input.findings\n\t"caler" == f.origin\n}', (16, 2), "never equal", "it is one of caller, model, tool, person"),
    Case("never-true", "a if 1 == 2", (14, 6), "never holds"),
    Case("never-true", "a if true\n\na if false", (16, 6), "never holds"),
    Case("verdict-shape", 'a if true\n\nverdict := {"outcome": "deny", "obligations": {"sources": []}} if false', (16, 48), "cannot fulfil yet"),
    Case("verdict-shape", 'a if true\n\nverdict := {"outcome": "deny", "obligations": {"approval": {}}} if false', (16, 48), "escalate alone", '"escalate"'),
    Case("verdict-shape", ESCALATES.format('{"quue": "a"}', DECIDED), (16, 109), "no entry quue", "did you mean queue?"),
    Case("verdict-shape", ESCALATES.format('{"queue": "A b"}', DECIDED), (16, 118), "is not of the form"),
    Case("verdict-shape", ESCALATES.format('{"skills": ["law"]}', DECIDED), (16, 119), "at most 0"),
    Case("verdict-shape", ESCALATES.format('{"mode": "review"}', DECIDED), (16, 117), "can not be demanded", "approve or answer"),
    Case("approvals-unread", ESCALATES.format("{}", ""), (16, 12), "never looks at input.approvals", 'approval.hook == "intent"'),
    Case(
        "verdict-shape",
        'a if true\n\nverdict := {"outcome": "deny", "obligations": {"allow_invalid": true}} if false',
        (16, 48),
        "only be demanded of an answer",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.rule}-{number}" for number, case in enumerate(CASES)])
def test_each_rule_tells_the_exact_place_and_what_to_write(case: Case) -> None:
    text = case.rego if "package " in case.rego else HEAD + case.rego
    problems = found_in(text + "\n", {"tables": {}})
    hits = [problem for problem in problems if problem.rule == case.rule and case.what in problem.what]
    assert [(problem.line, problem.col) for problem in hits] == [case.at], [str(problem) for problem in problems]
    assert case.rewrite in hits[0].hint
    assert hits[0].warning is (case.rule in WARNINGS and (case.rule not in ERRORS or "demanded" in case.what or "fulfil" in case.what))


@pytest.mark.parametrize(
    ("modules", "data", "rule"),
    [
        ({"tool": "package gateway.tool\n\nverdict := 1\n"}, {}, "hook-unknown"),
        ({"helper": "package gateway.helper\n\ntable := 1\n"}, {"gateway": {"helper": 1}}, "package-data"),
        ({"answer": ""}, {}, "hook-missing"),
    ],
)
def test_rules_about_whole_modules(modules: dict[str, str], data: dict[str, object], rule: str) -> None:
    assert rule in {problem.rule for problem in found_in(HEAD + "a if true\n", data, **modules)}


def test_every_rule_is_in_the_table_and_every_finding_has_a_rule_of_it() -> None:
    package = ROOT / "gateway" / "capabilities" / "policy"
    text = "".join(
        path.read_text() for path in [*package.glob("lint*.py"), package / "source_lint.py", package / "annotations.py"] if path.name != "lint_rules.py"
    )
    assert {rule for rule in {*ERRORS, *WARNINGS} if f'"{rule}"' not in text} == set()
    tried = {case.rule for case in CASES} | {"hook-unknown", "package-data", "call"}
    assert tried == {*ERRORS, *WARNINGS}


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_said_about_good_policies(name: str) -> None:
    assert [str(problem) for problem in found_in(HEAD + GOOD[name] + "\n", {"tables": {}})] == []


def test_nothing_is_said_about_the_policies_that_ship() -> None:
    bundle = load_bundle(ROOT / "policies")
    program = Program(EmbeddedEngine(bundle.modules, bundle.data_json).ast())
    assert lint(program, bundle.data) == []
    assert advice_on(bundle, program) == []
