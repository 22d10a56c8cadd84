from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.settings import load
from gateway.surfaces.cli.queue_words import about_queues, about_waiting, duration

WriteConfig = Callable[..., Path]
QUEUES = """\
waiting: {keep_s: 3600, join_s: 0}
queues:
  approvals: {due_s: 90, expires_s: 900, on_expiry: 'queue:reviews', teams: [legal, finance]}
  reviews: {on_expiry: release, webhook: {url: 'https://hooks.example.com/T0KEN', secret: 'env:HOOK'}}
server:"""
ENV = {"PAYLOAD": "payload-0123456789-0123456789-0123", "OLD": "older-0123456789-0123456789-012345", "HOOK": "00112233445566778899aabbccddeeff"}


def test_queues_are_told_in_words_without_secrets(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    keys = "    payload_key: env:PAYLOAD\n    older_payload_keys: ['env:OLD']\n    placeholder_key"
    settings = load(write_config(good_text, ("server:", QUEUES), ("    placeholder_key", keys)), {**good_env, **ENV})
    assert list(about_queues(settings)) == [
        "queue      approvals: for reviewers of finance, legal; due after 90 s, after 15 min it moves to reviews; a claim holds 15 min",
        "queue      reviews: for all reviewers; due after 1 h, after 1 d its intent goes on without a person; a claim holds 15 min",
        "           tells hooks.example.com of each new task, signed with env:HOOK",
        "waiting    answers can be fetched for 1 h; no call joins another",
        "           what waits of acme is encrypted with env:PAYLOAD, older ones opened with env:OLD",
    ]


def test_a_gateway_without_queues_says_what_becomes_of_escalations(write_config: WriteConfig, good_env: dict[str, str]) -> None:
    assert list(about_queues(load(write_config(), good_env))) == ["queues     none: what policy escalates is refused"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.5, "0.5 s"), (59.0, "59 s"), (60.0, "1 min"), (90.0, "90 s"), (7200.0, "2 h"), (86_400.0, "1 d"), (90_000.0, "25 h")]
)
def test_durations_are_in_the_largest_unit_in_which_they_are_whole(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_route_says_whether_its_callers_wait() -> None:
    assert (about_waiting(0), about_waiting(60.0)) == (
        "callers do not wait for people, and ask later",
        "while a person decides, callers wait up to 1 min",
    )
