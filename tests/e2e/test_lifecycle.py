"""A gateway that is stopped, restarted and changed while it serves."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.e2e.asking import ask, said, stream, text_of
from tests.e2e.conftest import Deploy
from tests.e2e.deployment import Deployment, eventually


def client_of(deployment: Deployment, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{deployment.base_url}/v1", api_key=key, max_retries=0, timeout=20)


def outcome(client: openai.OpenAI, text: str = "hello") -> str:
    """How a call ended: ``ok``, the code of a refusal, or the name of what else was raised."""
    try:
        ask(client, text)
    except openai.APIStatusError as error:
        return str(error.code)
    except openai.APIError as error:
        return type(error).__name__
    return "ok"


def until_it_breaks(chunks: Iterator[Any]) -> list[Any]:
    """What comes of a stream that is cut. The client says so by one exception or another, or by a plain end."""
    got: list[Any] = []
    with contextlib.suppress(Exception):
        for chunk in chunks:
            got.append(chunk)  # noqa: PERF402 - what came before the end is to be kept
    return got


def test_a_running_stream_finishes_after_sigterm_while_new_calls_are_refused_and_all_is_there_after_a_restart(deploy: Deploy, key: str) -> None:
    gateway = deploy({})
    gateway.start()
    with client_of(gateway, key) as client:
        raw = client.chat.completions.with_raw_response.create(model="assistant", messages=said("Count slowly"), stream=True)
        chunks = iter(raw.parse())
        first = [next(chunks), next(chunks)]
        gateway.signal(signal.SIGTERM)
        time.sleep(0.3)
        with client_of(gateway, key) as other:
            assert outcome(other) in {"APIConnectionError", "shutting_down"}
        rest = list(chunks)
        assert text_of([*first, *rest]) == "one two three four five six seven eight nine ten"
        assert rest[-1].choices[0].finish_reason == "stop"
    assert gateway.wait() in {0, -signal.SIGTERM}
    assert gateway.get("/healthz")[0] == 0

    gateway.start()
    with client_of(gateway, key) as client:
        assert outcome(client) == "ok"
    facts = gateway.closed(raw.headers["x-gateway-record"])
    assert facts["state"] == "completed"
    assert "clean" in gateway.command("records", "verify", "--tenant", "acme")


def test_a_limit_of_shutdown_ends_what_runs_too_long_and_its_record_says_so(deploy: Deploy, key: str) -> None:
    gateway = deploy({"server:\n": "server:\n  shutdown_s: 0.3\n"})
    gateway.start()
    with client_of(gateway, key) as client:
        raw = client.chat.completions.with_raw_response.create(model="assistant", messages=said("Count slowly"), stream=True)
        chunks = iter(raw.parse())
        seen = [next(chunks), next(chunks)]
        gateway.signal(signal.SIGTERM)
        seen.extend(until_it_breaks(chunks))
        assert all(choice.finish_reason is None for chunk in seen for choice in chunk.choices)
    gateway.wait()
    assert gateway.record(raw.headers["x-gateway-record"])["state"] in {"cancelled", "failed"}
    assert "clean" in gateway.command("records", "verify", "--tenant", "acme")


def test_a_revoked_key_is_refused_within_a_second_and_only_that_key(served: Deployment, client: openai.OpenAI) -> None:
    key = served.new_key()
    with client_of(served, key) as doomed:
        eventually("the key is good", lambda: outcome(doomed) == "ok", 2)
        served.command("keys", "revoke", "--tenant", "acme", key.split("_")[1])
        time.sleep(1)
        assert outcome(doomed) == "invalid_api_key"
    assert outcome(client) == "ok"


def test_a_key_that_has_expired_is_refused(served: Deployment) -> None:
    key = served.new_key("--expires", "1s")
    time.sleep(1.3)
    with client_of(served, key) as late:
        assert outcome(late) == "invalid_api_key"


def test_a_policy_edited_while_serving_changes_what_is_decided_and_loses_no_request(deploy: Deploy, key: str) -> None:
    gateway = deploy({})
    gateway.start()
    table, rules = gateway.policies / "data.yaml", gateway.policies / "intent.rego"
    good, good_rules = table.read_text(), rules.read_text()
    outcomes: Counter[str] = Counter()
    done = threading.Event()

    def keep_calling() -> None:
        with client_of(gateway, key) as mine:
            while not done.is_set():
                outcomes[outcome(mine)] += 1

    threads = [threading.Thread(target=keep_calling) for _ in range(2)]
    with client_of(gateway, key) as client:
        assert outcome(client) == "ok"
        for thread in threads:
            thread.start()
        try:
            table.write_text(good.replace(" assistant, extract,", " extract,"))
            eventually("the edit is in force", lambda: outcome(client) == "policy_denied")
            table.write_text(good)
            eventually("the old text is in force", lambda: outcome(client) == "ok")

            rules.write_text("package gateway.intent\n\nverdict := {\n")
            report = eventually("the broken edit is reported", lambda: _degraded(gateway))
            assert "intent.rego" in report["policy"]["reload_error"]
            assert gateway.metric("gateway_policy_reloads_total", result="failed") >= 1
            assert outcome(client) == "ok"
            rules.write_text(good_rules)
            eventually("it is ready again", lambda: json.loads(gateway.get("/readyz")[1])["status"] == "ready")
        finally:
            done.set()
            for thread in threads:
                thread.join()
    assert set(outcomes) <= {"ok", "policy_denied"}
    assert outcomes["ok"] > 10


def _degraded(gateway: Deployment) -> Any:
    report = json.loads(gateway.get("/readyz")[1])
    return report if report["status"] == "degraded" else None


def test_a_policy_that_reads_answers_from_now_on_buffers_streams_from_now_on(deploy: Deploy, key: str) -> None:
    gateway = deploy({})
    gateway.start()
    reading = (
        'package gateway.answer\n\ndefault verdict := {"outcome": "allow", "obligations": {"reveal": {}}}\n\n'
        'verdict := {"outcome": "deny", "reasons": [{"rule": "no.ten", "message": "not ten"}]} if contains(input.answer.text, "ten")\n'
    )
    with client_of(gateway, key) as client:
        assert list(stream(client, "hello"))[-1].gateway["stream_mode"] == "pass"
        (gateway.policies / "answer_test.rego").unlink()
        (gateway.policies / "answer.rego").write_text(reading)
        eventually("streams are buffered", lambda: list(stream(client, "hello"))[-1].gateway["stream_mode"] == "buffered")
        with pytest.raises(openai.PermissionDeniedError, match=r"no\.ten"):
            stream(client, "Count slowly")
        with pytest.raises(openai.PermissionDeniedError, match=r"no\.ten"):
            ask(client, "ten")


def test_one_more_than_the_limit_of_intents_in_flight_is_a_rate_limit_error(deploy: Deploy, key: str) -> None:
    gateway = deploy({"server:\n": "server:\n  limits: {in_flight: 1}\n"})
    gateway.start()
    with client_of(gateway, key) as client, client_of(gateway, key) as other:
        running = iter(stream(client, "Count slowly"))
        next(running)
        with pytest.raises(openai.RateLimitError) as raised:
            ask(other, "hello")
        assert (raised.value.code, raised.value.response.headers["retry-after"]) == ("overloaded", "1")
        assert text_of(running)
        assert outcome(other) == "ok"


def test_a_second_gateway_on_the_same_database_refuses_to_start_and_the_first_goes_on(deploy: Deploy, key: str) -> None:
    gateway = deploy({})
    gateway.start()
    assert "gateway.db" in gateway.command("run", status=2)
    with client_of(gateway, key) as client:
        assert outcome(client) == "ok"


def test_a_gateway_that_cannot_start_says_why_and_where_and_exits_with_2(deploy: Deploy, served: Deployment) -> None:
    broken = deploy({})
    (broken.policies / "intent.rego").write_text("package gateway.intent\n\nverdict := {\n")
    assert "intent.rego:" in broken.command("run", status=2)
    taken = deploy({})
    config = taken.folder / "config.yaml"
    config.write_text(config.read_text().replace(f"127.0.0.1:{taken.port}", f"127.0.0.1:{served.port}"))
    assert f"127.0.0.1:{served.port}" in taken.command("run", status=2)
