"""The rules of the lint by name: what each finds and why. ``docs/policy.md`` shows this table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ERRORS: Final[Mapping[str, str]] = {
    "line-length": "A line of more than 1,024 characters: the parser of the embedded engine has no time limit.",
    "nesting": "More than 8 nested `[` and `{`, for the same reason.",
    "iterations": "More than two nested iterations, also through functions: two are up to 262,144 steps, three 134 million.",
    "recursion": "A rule that needs itself.",
    "control-character": "A character that ends lines for some readers.",
    "template-string": "Template strings, which one engine alone has.",
    "builtin": "A function that is not in both engines, has no bound, or depends on more than its arguments: no network, clock or chance, no `print`.",
    "call": "A call of something without a name.",
    "regex-literal": "A regular expression that is not written where it is used, so that nobody can check it.",
    "regex-class": "A regular expression that means different things: use ASCII classes, `[0-9]` and not `\\d`.",
    "regex-syntax": "A regular expression that does not compile.",
    "format": "A format of `sprintf` that is not literal, or has other verbs than `%s`, `%d`, `%v`. Prefer `%v`: for a number, OPA writes `%s` otherwise.",
    "count-overlap": "`strings.count` of what can overlap itself, of nothing, or of what is not literal: the engines count differently.",
    "negated-call": "`not f(input.a)`, which is true or undefined, depending on the engine, where `input.a` is missing: bind it first.",
    "money": "Money that is divided, or meets a fraction: amounts are whole micro-USD.",
    "with": "`with` outside of tests.",
    "input-unknown": "A path of the input that no hook which reaches the rule has.",
    "reference-unknown": "A package, rule or table that there is not.",
    "function-unknown": "A function that there is not.",
    "name-hides": "A name that hides `input`, `data` or an import.",
    "hook-missing": "A hook without a verdict.",
    "hook-unknown": "A package of a hook that there is not.",
    "verdict-form": "A verdict that is a set, a function or has keys in its head.",
    "verdict-shape": "An entry or value of a verdict that the contract does not know, in any branch; terms of an approval where nothing is escalated.",
    "package-data": "A table of `data.yaml` where a package is.",
    "metadata": "A `# METADATA` comment that is not YAML, at which OPA would stop.",
    "contract-version": "A policy that is written for another version of the contract.",
    "schema-annotation": "A schema of the input that is none of the contract.",
}
"""What keeps a policy from going live."""

WARNINGS: Final[Mapping[str, str]] = {
    "version-missing": "A hook that does not say which contract it is written for.",
    "unreachable": "A rule that no verdict and no test reaches.",
    "no-default": "A verdict without a default.",
    "no-allow": "A hook that no rule can allow.",
    "approvals-unread": "An `escalate` of a hook that never looks at `input.approvals`: what a person approves is refused (`policy.approval_ignored`).",
    "never-true": "A condition that never holds, such as a comparison with what the input cannot be.",
    "verdict-shape": "An obligation that this gateway, or this hook, cannot fulfil, so that it refuses.",
}
"""What is worth a word; with ``--strict`` it fails, too."""
