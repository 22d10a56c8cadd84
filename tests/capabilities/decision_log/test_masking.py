"""Masks do what a real OPA's do; where nobody knows what to mask, nothing is shown."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.decision_log.masking import Masker, MaskError, apply
from gateway.capabilities.policy.loading import load_policy
from gateway.capabilities.policy.policy import Policy
from gateway.infrastructure.policy_engine_embedded import UNDEFINED
from tests.capabilities.decision_log.real_opa import logged

Write = Callable[..., Path]
EVENT: dict[str, Any] = {
    "path": "gateway/intent/verdict",
    "input": {"user": {"name": "jane", "keys": ["a", "b", "c"]}, "a/b": 1, "n": None},
    "result": {"outcome": "allow"},
}


def masked(*masks: Any) -> dict[str, Any]:
    event = copy.deepcopy(EVENT)
    apply(event, list(masks))
    return event


@pytest.mark.parametrize(
    ("mask", "place", "expected", "told"),
    [
        ("/input/user/name", ("user",), {"keys": ["a", "b", "c"]}, {"erased": ["/input/user/name"]}),
        ("/input/user/keys/1", ("user", "keys"), ["a", "c"], {"erased": ["/input/user/keys/1"]}),
        ("/input/n", ("user", "name"), "jane", {"erased": ["/input/n"]}),
        ("/input/a%2Fb", ("n",), None, {"erased": ["/input/a%252Fb"]}),
        ({"op": "remove", "path": "/input/user"}, ("n",), None, {"erased": ["/input/user"]}),
        ({"op": "upsert", "path": "/input/user/name", "value": "x"}, ("user", "name"), "x", {"masked": ["/input/user/name"]}),
        ({"op": "upsert", "path": "/input/new/er", "value": {"y": 1}}, ("new",), {"er": {"y": 1}}, {"masked": ["/input/new/er"]}),
        ({"op": "upsert", "path": "/input/user/name/first", "value": 1}, ("user", "name"), "jane", {}),
        ("/input/user/keys/9", ("user", "keys"), ["a", "b", "c"], {}),
        ("/input/no/such", ("user", "name"), "jane", {}),
        ("/input/user/name/first", ("user", "name"), "jane", {}),
        ("/nd_builtin_cache/x", ("user", "name"), "jane", {}),
    ],
)
def test_a_mask_takes_out_or_replaces_what_it_names(mask: Any, place: tuple[str, ...], expected: Any, told: dict[str, Any]) -> None:
    event = masked(mask)
    value = event["input"]
    for step in place:
        value = value[step]
    assert value == expected
    assert {name: event[name] for name in ("erased", "masked") if name in event} == told


def test_a_whole_part_can_go_or_be_replaced() -> None:
    event = masked("/input", {"op": "upsert", "path": "/result", "value": "x"})
    assert event == {"path": EVENT["path"], "result": "x", "erased": ["/input"], "masked": ["/result"]}


@pytest.mark.parametrize("masks", [UNDEFINED, None, []])
def test_without_masks_nothing_happens(masks: Any) -> None:
    event = copy.deepcopy(EVENT)
    apply(event, masks)
    assert event == EVENT


@pytest.mark.parametrize("masks", ["/input", {"/input": 1}, [1], ["input"], [""], ["/labels/id"], [{"op": "rename", "path": "/input"}], [{"op": "remove"}]])
def test_what_is_no_mask_is_refused(masks: Any) -> None:
    with pytest.raises(MaskError):
        apply(copy.deepcopy(EVENT), masks)


def masks(*rules: str) -> dict[str, str]:
    return {"log.rego": "\n\n".join(["package system.log", "import rego.v1", *rules]) + "\n"}


@pytest.mark.parametrize(
    ("rules", "good", "shown"),
    [
        ([], True, {"user": {"name": "jane", "keys": ["a", "b", "c"]}, "a/b": 1, "n": None}),
        (['mask contains "/input/user"'], True, {"a/b": 1, "n": None}),
        (['mask contains "/input/user" if input.input.user.name == "joe"'], True, {"user": {"name": "jane", "keys": ["a", "b", "c"]}, "a/b": 1, "n": None}),
        (['mask contains {"op": "upsert", "path": "/input/user", "value": null} if input.path == "gateway/intent/verdict"'],
         True, {"user": None, "a/b": 1, "n": None}),
        (['mask contains "/labels/id"'], False, None),
        (['mask := "all of it"'], False, None),
        (["mask contains 1 / (count(input.input.user.keys) - 3)"], False, None),
    ],
)  # fmt: skip
def test_the_live_policy_masks_and_a_failure_shows_nothing(write: Write, rules: list[str], good: bool, shown: Any) -> None:
    policy = load_policy(write(masks(*rules) if rules else {}))
    masker = Masker(lambda: policy)
    event = copy.deepcopy(EVENT)
    assert masker.mask(event) == good
    masker.close()
    assert event.get("input") == shown
    if not good:
        assert event == {"path": EVENT["path"], "erased": ["/input", "/result"]}


def test_masks_change_with_the_live_policy(write: Write) -> None:
    live: list[Policy | None] = [None]
    masker = Masker(lambda: live[0])
    shown = []
    for policy in (None, load_policy(write(masks('mask contains "/input/user"'))), load_policy(write({"log.rego": None}))):
        live[0], event = policy, copy.deepcopy(EVENT)
        assert masker.mask(event)
        shown.append("user" in event["input"])
    masker.close()
    assert shown == [True, False, True]


ALL_MASKS: list[Any] = [
    "/input/user/name",
    "/input/user/keys/1",
    "/input/user/keys/9",
    "/input/a+b",
    "/input/a~1b",
    "/input/",
    "/input/user/keys/-1",
    "/input/user/keys/+1",
    "/input/n",
    "/input/no/such",
    "/input/user/name/first",
    "/result/outcome",
    "/input",
    {"op": "upsert", "path": "/input/user/name", "value": "x"},
    {"op": "upsert", "path": "/input/new/er", "value": {"y": 1}},
    {"op": "upsert", "path": "/input/user/name/first", "value": 1},
    {"op": "upsert", "path": "/result/outcome", "value": None},
    {"op": "remove", "path": "/result"},
]


@pytest.mark.services
def test_every_mask_does_what_a_real_opas_does(tmp_path: Path) -> None:
    rego = "package system.log\n\nimport rego.v1\n\n"
    rego += "masks := " + json.dumps(ALL_MASKS) + "\n\nmask contains masks[input.input.which]\n"
    files = {"log.rego": rego, "p.rego": 'package gateway.intent\n\nverdict := {"outcome": "allow"}\n'}
    odd = {"a%2Fb": 2, "a b": 3, "a+b": 4, "ä": 5, "a~1b": 6, "": 7}
    inputs = [{**EVENT["input"], **odd, "which": number} for number in range(len(ALL_MASKS))]
    different = []
    for mask, asked, real in zip(ALL_MASKS, inputs, logged(tmp_path, files, inputs), strict=True):
        ours: dict[str, Any] = {"input": copy.deepcopy(asked), "result": {"outcome": "allow"}}
        apply(ours, [mask])
        theirs = {name: real[name] for name in ("input", "result", "erased", "masked") if name in real}
        if ours != theirs:
            different.append((mask, ours, theirs))
    assert different == []
