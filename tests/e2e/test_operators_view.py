"""What a running process tells its operator: enough to find an intent by, and nothing of what was in it."""

from __future__ import annotations

import contextlib
import json

import openai

from tests.e2e.asking import ask, stream
from tests.e2e.conftest import Deploy
from tests.e2e.deployment import eventually

WORDS = ("jane.doe", "lighthouse", "bluebird", "Zx9Qw3", "gw_nobody")
PROMPT = "jane.doe@example.com saw the lighthouse of bluebird, sk-" + "proj-Zx9" + "Qw3Er5Ty7Ui9Op1As3Df5Gh7Jk9Lz1Xc3Vb5Nm7"


def test_logs_at_their_most_talkative_have_ids_and_no_content_and_metrics_count_what_happened(deploy: Deploy, key: str) -> None:
    gateway = deploy({"level: info": "level: debug"})
    gateway.start()
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, max_retries=0, timeout=20) as client:
        ask(client, PROMPT)
        list(stream(client, PROMPT))
        for fault in ("fault 500", "fault 400", "fault html", "fault cut", "fault silent"):
            for streamed in (False, True):
                with contextlib.suppress(openai.APIError):
                    list(ask(client, f"{fault} {PROMPT}", stream=streamed))
        for model in ("lighthouse", "assistant-large"):
            with contextlib.suppress(openai.APIStatusError):
                ask(client, PROMPT, model=model)
        for _ in range(30):
            with contextlib.suppress(openai.AuthenticationError):
                ask(client.with_options(api_key="gw_nobody000000_lighthouse"), PROMPT)
        metrics = gateway.get("/metrics")[1]
        eventually("all intents have ended", lambda: gateway.metric("gateway_intents_in_flight") == 0)
        streams = gateway.metric("gateway_time_to_first_token_seconds_count")
        commits = gateway.metric("gateway_record_commit_duration_seconds_count")
        entries = gateway.metric("gateway_record_batch_entries_sum")
        intents = gateway.metric("gateway_intents_total")
    gateway.stop()
    assert [word for word in WORDS if word in gateway.log or word in metrics] == []
    lines = [json.loads(line) for line in gateway.log.splitlines()]
    ended = [line for line in lines if line["event"] == "intent.closed"]
    assert len(ended) == intents - 2
    assert all(line["intent_id"].startswith("int_") and len(line["trace_id"]) == 32 for line in ended)
    assert streams == 2
    assert (entries, commits > 0) == (2 * intents, True)
    rejected = [line for line in lines if line["event"] == "key.rejected"]
    assert len(rejected) < 30
    assert sum(1 + line.get("suppressed", 0) for line in rejected) >= 30
