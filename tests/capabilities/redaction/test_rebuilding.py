from __future__ import annotations

from typing import Any

from gateway.capabilities.redaction.leaves import Walk
from gateway.capabilities.redaction.placeholders import Vault
from gateway.capabilities.redaction.rebuilding import Copies, rebuild
from gateway.capabilities.redaction.scanning import Clean, CleanTexts, CleanWords
from gateway.capabilities.redaction.shapes import Role
from gateway.capabilities.redaction.views import View
from gateway.domain import Destination, Finding, Obligations


def scan(text: str, *, key: str | None = None) -> tuple[Finding, ...]:
    return (Finding("SECRET", 0, len(text)),) if text.startswith("canary") or key == "hidden" else ()


def rebuilt(value: Any) -> Any:
    walk = Walk(scan, Clean(CleanTexts(10), CleanWords(10)))
    walk.over(value, Role.FREE)
    return rebuild(value, walk.leaves, View(Vault(b"k", frozenset), Obligations(), Destination.RECORD)).value


def test_only_the_way_to_a_changed_leaf_is_copied() -> None:
    value: Any = {"a": [{"b": "canary"}, {"c": "x"}], "d": {"e": "y"}}
    shown = rebuilt(value)
    assert shown == {"a": [{"b": "<SECRET>"}, {"c": "x"}], "d": {"e": "y"}}
    assert shown["a"][1] is value["a"][1]
    assert shown["d"] is value["d"]
    assert value["a"][0] == {"b": "canary"}


def test_an_untouched_value_is_the_very_same() -> None:
    value = {"a": [1, None, True, "x"]}
    assert rebuilt(value) is value


def test_keys_keep_their_place_and_stay_apart_with_values_below_them_changed_too() -> None:
    value = {"x": 1, "canary1": {"canary2": "canary3"}, "canary4": 2, "y": 3}
    shown = rebuilt(value)
    assert list(shown) == ["x", "<SECRET>", "<SECRET>_2", "y"]
    assert {"<SECRET>": "<SECRET>"} in shown.values()


def test_a_string_alone_and_a_deep_leaf_can_be_changed() -> None:
    assert rebuilt("canary") == "<SECRET>"
    value: Any = "canary"
    for _ in range(3_000):
        value = [value]
    shown = rebuilt(value)
    while isinstance(shown, list):
        shown = shown[0]
    assert shown == "<SECRET>"


def test_a_copy_is_made_once() -> None:
    copies = Copies({"a": {"b": 1, "c": 2}})
    place = (None, "a")
    copies.set((place, "b"), 3)
    owner = copies.own(place)
    copies.set((place, "c"), 4)
    assert copies.own(place) is owner
    assert copies.root == {"a": {"b": 3, "c": 4}}


def test_many_keys_with_the_same_placeholder_are_told_apart_in_one_pass() -> None:
    shown = rebuilt({f"canary{number}": number for number in range(20_000)})
    assert list(shown.values()) == list(range(20_000))
    assert list(shown)[:3] == ["<SECRET>", "<SECRET>_2", "<SECRET>_3"]
