from __future__ import annotations

from pathlib import Path

import pytest

from gateway.configuration.route_checks import check_routes
from gateway.configuration.source import Document

TARGETS = "targets:\n  a: {base_url: 'http://192.0.2.1/v1', model: m}\n  b: {base_url: 'http://192.0.2.1/v1', model: m}\n"


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "config.yaml"
    path.write_text(text)
    document = Document(path)
    check_routes(document)
    return [str(problem).removeprefix(f"{path}:") for problem in document.problems]


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ("{targets: [{target: a}, {target: cc}]}", "routes.r.targets[1].target: no target named 'cc' (known: a, b)"),
        ("{target: a, targets: [{target: b}]}", "routes.r.targets: needs target or targets, not both"),
        ("{description: x}", "routes.r: needs target or targets"),
        (
            "{targets: [{target: a, tier: 2}, {target: a}]}",
            "routes.r.targets[1].target: 'a' stands twice in tier 2, first in routes.r.targets[0] (line 5) (give it one weight)",
        ),
        ("{target: a, repair: {target: c}}", "routes.r.repair.target: no target named 'c' (known: a, b)"),
        ("{target: a, schema: ordr}", "routes.r.schema: no schema named 'ordr' (did you mean 'order'?)"),
        (
            "{target: a, attempts: 2, confidence: {samples: 3}}",
            "routes.r.confidence.samples: 3 samples are more than the 2 attempts of this route (raise attempts, or ask for fewer)",
        ),
        (
            "{target: a, confidence: {samples: 7}}",
            "routes.r.confidence.samples: 7 samples are more than the 6 attempts of this route (raise attempts, or ask for fewer)",
        ),
        ("{target: a, hedge_after_s: 1}", "routes.r.hedge_after_s: needs a second target to ask beside the first"),
        ("{target: a, retries: {backoff_s: 2, backoff_max_s: 1}}", "routes.r.retries.backoff_s: is larger than backoff_max_s"),
        (
            "{targets: [{target: a}, {target: b}], deadline_s: 2, hedge_after_s: 2}",
            "routes.r.hedge_after_s: is not shorter than the route's deadline of 2 s, so it would never come to that (lower it, or raise deadline_s)",
        ),
        (
            "{targets: [{target: a, when: {min_remaining_s: 700}}]}",
            (
                "routes.r.targets[0].when.min_remaining_s: is not shorter than the route's deadline of 600 s, so it would never come to that "
                "(lower it, or raise deadline_s)"
            ),
        ),
        ("{target: a, aliases: [r]}", "routes.r.aliases[0]: 'r' already names routes.r"),
    ],
)
def test_what_cannot_work_is_told_with_its_line(tmp_path: Path, route: str, said: str) -> None:
    assert problems(tmp_path, f"{TARGETS}routes:\n  r: {route}\nschemas: {{order: {{}}}}\n") == [f"5: {said}"]


@pytest.mark.parametrize(
    "route",
    [
        "{target: a, attempts: 3, confidence: {samples: 3}, repair: {target: b}, schema: order}",
        "{targets: [{target: a}, {target: b, tier: 1}, {target: a, tier: 3}], hedge_after_s: 2}",
    ],
)
def test_what_can_work_is_left_alone(tmp_path: Path, route: str) -> None:
    assert problems(tmp_path, f"{TARGETS}routes:\n  r: {route}\nschemas: {{order: {{}}}}\n") == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (
            "{client: litellm, model: m}",
            "targets.x.provider: is required with client litellm (litellm's name of the provider, such as anthropic, gemini or bedrock)",
        ),
        (
            "{provider: gemini, base_url: 'http://192.0.2.1', model: m}",
            "targets.x.provider: is only for client litellm (add client: litellm, or leave provider out)",
        ),
        ("{model: m}", "targets.x.base_url: is required with client openai (the server's URL up to and including /v1)"),
    ],
)
def test_a_target_s_client_has_what_it_needs(tmp_path: Path, target: str, said: str) -> None:
    assert problems(tmp_path, f"targets:\n  x: {target}\n") == [f"2: {said}"]


@pytest.mark.parametrize(
    "route",
    [
        "5",
        "[]",
        "{target: [1], targets: 5, aliases: {a: b}}",
        "{target: a, confidence: 5, repair: [], retries: x, schema: {}, attempts: true}",
        "{targets: [5, {target: 5}, {tier: x, target: a}]}",
    ],
)
def test_any_shape_is_looked_at_without_falling_over(tmp_path: Path, route: str) -> None:
    found = problems(tmp_path, f"{TARGETS}routes:\n  r: {route}\n")
    assert all("needs target or targets" in problem for problem in found)
