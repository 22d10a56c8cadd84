from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.configuration.compiled_queues import Queue, Waiting
from gateway.settings import Settings, SettingsError, load

WriteConfig = Callable[..., Path]
KEY = bytes(range(32))
ENV = {"PAYLOAD": "payload-0123456789-0123456789-0123", "OLD": "older-0123456789-0123456789-012345", "OLDEST": "oldest-0123456789-0123456789-01234"}
QUEUES = """\
waiting: {keep_s: 60, join_s: 0, sweep_s: 0.5, poll_s: 0.1}
queues:
  approvals: {description: Payments., due_s: 10, expires_s: 20, claim_s: 5, on_expiry: 'queue:reviews', teams: [finance, legal]}
  reviews:
    webhook: {url: 'env:HOOK', secret: 'env:HOOK_SECRET'}
server:"""


@pytest.fixture
def settings_of(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> Callable[..., Settings]:
    def compiled(queues: str = QUEUES, keys: str = "payload_key: env:PAYLOAD", **env: str) -> Settings:
        path = write_config(good_text, ("server:", queues), ("    placeholder_key", f"    {keys}\n    placeholder_key"))
        hook = {"HOOK": "https://hooks.example.com/reviews", "HOOK_SECRET": f"whsec_{base64.b64encode(KEY).decode()}"}
        return load(path, {**good_env, **ENV, **hook, **env})

    return compiled


def test_queues_are_compiled_with_what_they_lead_to(settings_of: Callable[..., Settings]) -> None:
    settings = settings_of()
    assert settings.queues["approvals"] == Queue(
        name="approvals",
        description="Payments.",
        due_s=10,
        expires_s=20,
        claim_s=5,
        on_expiry="queue:reviews",
        teams=frozenset({"finance", "legal"}),
        webhook=None,
    )
    webhook = settings.queues["reviews"].webhook
    assert webhook is not None
    assert (webhook.url, webhook.secret.reveal(), webhook.secret.source) == ("https://hooks.example.com/reviews", KEY, "env:HOOK_SECRET")
    assert settings.waiting == Waiting(keep_s=60, join_s=0, sweep_s=0.5, poll_s=0.1)
    assert not hasattr(settings.queues, "update")


def test_without_queues_nothing_is_needed(settings_of: Callable[..., Settings]) -> None:
    settings = settings_of("server:", "redaction: {}")
    assert (dict(settings.queues), settings.tenants["acme"].payload_keys) == ({}, ())


def test_the_current_payload_key_comes_first(settings_of: Callable[..., Settings]) -> None:
    keys = settings_of(keys="payload_key: env:PAYLOAD\n    older_payload_keys: ['env:OLD', 'env:OLDEST']").tenants["acme"].payload_keys
    assert [key.source for key in keys] == ["env:PAYLOAD", "env:OLD", "env:OLDEST"]
    assert keys[0].text() == ENV["PAYLOAD"]


@pytest.mark.parametrize(
    ("keys", "env", "said"),
    [
        ("redaction: {}", {}, "tenants.acme.payload_key: is required where there are queues"),
        ("payload_key: env:NONE", {}, "tenants.acme.payload_key: the environment variable NONE is not set"),
        ("payload_key: env:NONE:-", {}, "tenants.acme.payload_key: is required, so an empty default cannot stand for it"),
        ("payload_key: hunter2", {}, "tenants.acme.payload_key: needs a reference to a secret"),
        ("payload_key: env:PAYLOAD", {"PAYLOAD": "hunter2"}, "tenants.acme.payload_key: env:PAYLOAD has 7 bytes; at least 32 are needed"),
        ("payload_key: env:PAYLOAD\n    older_payload_keys: [hunter2]", {}, "tenants.acme.older_payload_keys[0]: needs a reference to a secret"),
        (
            "payload_key: env:PAYLOAD\n    older_payload_keys: ['env:OLD', 'env:NONE']",
            {},
            "tenants.acme.older_payload_keys[1]: the environment variable NONE is not set",
        ),
        (
            "payload_key: env:PAYLOAD\n    older_payload_keys: ['env:PAYLOAD']",
            {},
            "tenants.acme.older_payload_keys[0]: is the same secret as tenants.acme.payload_key",
        ),
        ("payload_key: env:PAYLOAD", {"HOOK": "https://u:hunter2@hooks.example.com"}, "queues.reviews.webhook.url: env:HOOK does not hold a URL"),
        ("payload_key: env:PAYLOAD", {"HOOK": ""}, "queues.reviews.webhook.url: the environment variable HOOK is not set"),
        ("payload_key: env:PAYLOAD", {"HOOK_SECRET": "whsec_hunter2!"}, "queues.reviews.webhook.secret: env:HOOK_SECRET is not base64"),
        ("payload_key: env:PAYLOAD", {"HOOK_SECRET": "aHVudGVyMg=="}, "queues.reviews.webhook.secret: env:HOOK_SECRET holds 7 bytes in base64"),
    ],
)
def test_what_is_wrong_is_told_without_values(settings_of: Callable[..., Settings], keys: str, env: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of(keys=keys, **env)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_two_tenants_have_keys_of_their_own(settings_of: Callable[..., Settings]) -> None:
    with pytest.raises(SettingsError, match=r"tenants\.globex\.payload_key: is the same secret as tenants\.acme\.payload_key"):
        settings_of(keys="placeholder_key: env:OLDEST\n    payload_key: env:OLD\n  globex:\n    payload_key: env:PAYLOAD", OLD=ENV["PAYLOAD"])


@pytest.mark.parametrize("written", ["-1", "86401", "soon", "true", ".inf"])
def test_a_wait_out_of_range_is_told_with_its_line(write_config: WriteConfig, good_env: dict[str, str], good_text: str, written: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(write_config(good_text, ("    target: simulated", f"    target: simulated\n    wait_s: {written}")), good_env)
    assert ":17: routes.assistant.wait_s: must be" in str(caught.value)


def test_a_route_says_how_callers_wait_and_whether_streams_do(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    route = load(write_config(good_text, ("    target: simulated", "    target: simulated\n    wait_s: 0\n    buffered: true")), good_env).routes["assistant"]
    assert (route.wait_s, route.buffered) == (0, True)
    route = load(write_config(good_text), good_env).routes["assistant"]
    assert (route.wait_s, route.buffered) == (60, False)
