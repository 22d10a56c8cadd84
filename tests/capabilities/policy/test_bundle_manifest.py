from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.capabilities.policy.bundle_manifest import Manifest, outside, read_manifest
from gateway.capabilities.policy.problems import Problem


def read(manifest: Any) -> tuple[Manifest, list[Problem]]:
    problems: list[Problem] = []
    return read_manifest(manifest if isinstance(manifest, str) else orjson.dumps(manifest).decode(), problems), problems


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({}, Manifest()),
        ({"revision": "v1.2", "roots": [""], "rego_version": 1}, Manifest(revision="v1.2")),
        ({"roots": ["/gateway/", "limits"], "metadata": {"by": "x"}, "unknown": 1}, Manifest(roots=("gateway", "limits"))),
        ({"roots": ["gateway/intent", "gateway/intents"]}, Manifest(roots=("gateway/intent", "gateway/intents"))),
        ({"roots": []}, Manifest(roots=())),
    ],
)
def test_revision_and_roots_are_read(manifest: Any, expected: Manifest) -> None:
    assert read(manifest) == (expected, [])


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("{", "not JSON"),
        ("[]", "must hold an object"),
        ({"revision": 3}, "revision"),
        ({"revision": "x" * 201}, "revision"),
        ({"revision": "a\nb"}, "revision"),
        ({"roots": "gateway"}, "list of paths"),
        ({"roots": ["gateway", 1]}, "list of paths"),
        ({"roots": [f"r{number}" for number in range(101)]}, "at most 100"),
        ({"roots": ["gateway", "gateway/intent"]}, "within another"),
        ({"roots": ["gateway", "gateway"]}, "within another"),
        ({"roots": ["", "gateway"]}, "within another"),
        ({"wasm": [{"entrypoint": "a"}]}, "WebAssembly"),
        ({"rego_version": 0}, "Rego v0"),
        ({"rego_version": 1, "file_rego_versions": {"/a.rego": 0}}, "Rego v0"),
    ],
)
def test_a_manifest_that_cannot_be_kept_to_is_a_problem(manifest: Any, said: str) -> None:
    _, problems = read(manifest)
    assert any(said in str(problem) for problem in problems)


@pytest.mark.parametrize(
    ("roots", "packages", "data", "outsiders"),
    [
        (("",), ["a.b"], {"x": 1}, []),
        (("gateway",), ["gateway.intent", "gateway"], {"gateway": {"x": 1}}, []),
        (("gateway",), ["gateways", "x"], {}, ["package gateways", "package x"]),
        (("gateway/intent",), ["gateway"], {"gateway": {"intent": {"x": 1}, "other": 2}}, ["package gateway", "data.gateway.other"]),
        (("limits/acme",), [], {"limits": {"acme": 1, "globex": 2}, "teams": {}}, ["data.limits.globex", "data.teams"]),
        (("limits/acme",), [], {"limits": 3}, ["data.limits"]),
        ((), ["a"], {"b": 1}, ["package a", "data.b"]),
    ],
)
def test_what_lies_outside_of_the_roots_is_named(roots: tuple[str, ...], packages: list[str], data: dict[str, Any], outsiders: list[str]) -> None:
    found = list(outside(roots, [("a.rego", tuple(package.split("."))) for package in packages], data))
    assert [problem.what.split(" lies ")[0] for problem in found] == outsiders
