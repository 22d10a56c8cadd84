"""What parts of Rego cost in the embedded engine, for the table in docs/policy-performance.md: ``python -m tests.benchmarks.bench_policy [--publish]``.

Each figure is the difference between a rule with many copies of an expression and one with none, divided by their number; or, for what grows with the
input, between a large and a small input. CPU time of the thread, the median of batches.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateway.capabilities.policy.bench import Bench, cost_of
from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.contract import samples
from gateway.capabilities.policy.loading import check
from gateway.domain import Hook
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine
from tests.stage import ROOT

PAGE: Final = ROOT / "docs" / "policy-performance.md"
SECONDS: Final = 0.3
COPIES: Final = 20
ENTRIES: Final = 200
_MARKED = re.compile(r"(<!-- costs: begin[^>]*-->\n).*?(<!-- costs: end -->)", re.DOTALL)
INPUT: Final[Mapping[str, Any]] = samples(Hook.INTENT)["usual"]
DATA: Final[Mapping[str, Any]] = {
    "few": {f"route-{at}": at for at in range(10)} | {"assistant": 1},
    "many": {f"route-{at}": at for at in range(10_000)} | {"assistant": 1},
    "list": [f"route-{at}" for at in range(100)],
    "deep": {"acme": {"support": {"routes": ["assistant"]}}},
    "text": "all is well that ends well, and nothing is to be found here. " * 17,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An expression that stands in a rule ``COPIES`` times; ``#`` in it is the number of the copy."""

    what: str
    expression: str
    helpers: str = ""
    each: int = 1
    """What one copy does so many times."""
    needs: str = ""
    """Statements before all copies, also where there are none."""
    rule: str = ""
    """A rule of each copy's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A rule whose cost grows with the input: the difference between ``ENTRIES`` entries and none, for each entry."""

    what: str
    body: str
    entry: Mapping[str, Any] = field(default_factory=dict)


FINDING: Final = {"category": "EMAIL_ADDRESS", "count": 1, "where": "messages[0].content", "origin": "caller"}
REASON: Final = 'reasons contains "r#" if input.request.route == "none #"\n'
PARTS: Final = (
    Part(what="a reference, `input.request.route`", expression="v# := input.request.route"),
    Part(what='`object.get(input, ["subject", "tenant"], "")`', expression='v# := object.get(input, ["subject", "tenant"], "")'),
    Part(what="a comparison of two texts that are there", expression='route == "assistant"', needs="route := input.request.route"),
    Part(what="a row of a table of 10, `data.few[route]`", expression="v# := data.few[route]", needs="route := input.request.route"),
    Part(what="a row of a table of 10,000", expression="v# := data.many[route]", needs="route := input.request.route"),
    Part(what="three steps down, `data.deep.acme.support.routes`", expression="v# := data.deep.acme.support.routes"),
    Part(what="`x in list` of 100 texts, the last one", expression='"route-99" in data.list'),
    Part(what="a rule of its own, `r := input.request.route`, with its value used once", expression="v# := r#", rule="r# := input.request.route\n"),
    Part(what="a rule that does not hold, with its default", expression="v# := r#", rule='default r# := 1\n\nr# := 2 if input.request.route == "none"\n'),
    Part(
        what="one that does not hold of the rules of a set, `reasons contains ... if`",
        expression="true",
        rule=REASON,
        helpers=REASON.replace("#", ""),
        needs="reasons == set()",
    ),
    Part(what="the value of a rule that was evaluated before", expression="v# := known", helpers="known := input.request.route\n", needs="known"),
    Part(what="a call of a function of one line", expression="v# := same(#)", helpers="same(x) := x\n"),
    Part(what="`sprintf` with one value", expression='v# := sprintf("no %v", [#])'),
    Part(what="an object of two entries, such as a reason", expression='v# := {"rule": "a.b", "message": "c"}'),
    Part(what="a step of `some x in list` with a comparison", expression='v# := [x | some x in data.list; x == "none"]', each=100),
    Part(what="an entry of a set that a comprehension builds", expression="v# := {x | some x in data.list}", each=100),
    Part(what="`contains(text, ...)` in 1 KB", expression='not contains(text, "refund #")', needs="text := data.text"),
    Part(what="`lower` of 1 KB", expression="v# := lower(text)", needs="text := data.text"),
    Part(what="`regex.match`, a pattern, in 1 KB", expression="not regex.match(`refund [0-9]+`, text)", needs="text := data.text"),
    Part(what="`time.parse_rfc3339_ns`", expression="v# := time.parse_rfc3339_ns(input.time)"),
)
GROWTHS: Final = (
    Growth(what="a finding in the input, before any rule looks at it", body="input.subject.tenant", entry=FINDING),
    Growth(what="the same with a `some finding in input.findings` that compares it", body='not found("US_SSN")', entry=FINDING),
)
FOUND: Final = "found(category) if {\n\tsome finding in input.findings\n\tfinding.category == category\n}\n"


def cost(body: str, helpers: str = "", given: Mapping[str, Any] = INPUT) -> float:
    """Microseconds for a rule of a policy of its own."""
    text = f"package gateway.intent\n\nimport rego.v1\n\n{helpers}\nverdict if {{\n\ttrue\n\t{body}\n}}\n"
    engine, document = EmbeddedEngine({"intent.rego": text}, json.dumps(DATA)), json.dumps(given)
    return cost_of(lambda: engine.evaluate("data.gateway.intent.verdict", document), SECONDS).median_us


def of_part(part: Part) -> float:
    copies = "\n\t".join(part.expression.replace("#", str(at)) for at in range(COPIES))
    base = f"{part.needs}\n\t" if part.needs else ""
    rules = "".join(part.rule.replace("#", str(at)) for at in range(COPIES))
    return (cost(base + copies, part.helpers + rules) - cost(base, part.helpers)) / COPIES / part.each


def of_growth(growth: Growth) -> float:
    return (cost(growth.body, FOUND, {**INPUT, "findings": [growth.entry] * ENTRIES}) - cost(growth.body, FOUND, {**INPUT, "findings": []})) / ENTRIES


def of_content() -> float:
    """Of a KB of messages in the input."""
    small, large = ({**INPUT, "request": {"messages": [{"role": "user", "content": "x" * 1024}] * many}} for many in (1, 101))
    return (cost("input.request.messages", given=large) - cost("input.request.messages", given=small)) / 100


def of_decisions() -> dict[str, float]:
    bundle = load_bundle(ROOT / "policies")
    bench = Bench(bundle, check(bundle), seconds=SECONDS)
    intent, answer = (bench.measure(hook, "usual", samples(hook)["usual"]) for hook in Hook)
    small = load_bundle(ROOT / "docs" / "cookbook" / "06-schema-by-route")
    least = Bench(small, check(small), seconds=SECONDS).measure(Hook.INTENT, "usual", INPUT)
    found = {
        "**a decision that is remembered**, shipped intent policy": intent.remembered,
        f"**a decision that is evaluated**, shipped intent policy ({len(intent.rules)} rules)": intent.evaluated,
        f"the same, shipped answer policy ({len(answer.rules)} rules)": answer.evaluated,
        f"the same, the smallest of the cookbook ({len(least.rules)} rules)": least.evaluated,
        "of the last: handing the input over and taking the verdict back": least.asking,
    }
    return {what: measured.median_us for what, measured in found.items() if measured is not None}


def table() -> str:
    rows: list[tuple[str, Callable[[], float]]] = [(part.what, partial(of_part, part)) for part in PARTS]
    rows += [(growth.what, partial(of_growth, growth)) for growth in GROWTHS]
    rows.append(("1 KB of messages in the input, before any rule looks at it", of_content))
    lines = [f"| {what} | {figure:,.1f} |" for what, figure in of_decisions().items()]
    lines += [f"| {what} | {max(0.0, measure()):,.2f} |" for what, measure in rows]
    head = f"Measured on {platform.system()} {platform.machine()}, CPython {platform.python_version()}.\n\n| what | us of CPU |\n|---|---|\n"
    return head + "\n".join(lines) + "\n"


def main() -> None:
    made = table()
    sys.stdout.write(made)
    if "--publish" in sys.argv[1:]:
        publish(PAGE, made)


def publish(page: Path, made: str) -> None:
    page.write_text(_MARKED.sub(lambda found: f"{found[1]}\n{made}\n{found[2]}", page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
