"""The stories of people: an answer that nobody trusts yet waits for one, and so does a call that policy holds, longer than the gateway lives."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from typing import Any

from stage import Stage
from stories import EMAIL, NotAsToldError, Story, Told, client_of, expect

GUESS = "Team Harbour"


def reviewer(stage: Stage, method: str, path: str, body: dict[str, Any] | None = None, key: str | None = None) -> Any:
    """A call of the gateway's API; by default with the key of the person who reviews."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {key or stage.reviewer_key}", "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{stage.base_url}{path}", data, headers, method=method), timeout=30) as answer:
        return json.load(answer)


def task_in(stage: Stage, queue: str) -> Any:
    """The task that waits in a queue, as a person sees it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = reviewer(stage, "GET", f"/v1/tasks?queue={queue}")["data"]
        if found:
            return reviewer(stage, "GET", f"/v1/tasks/{found[0]['id']}")
        time.sleep(0.05)
    raise NotAsToldError(f"no task came into queue {queue}")


def is_edited(stage: Stage, key: str) -> Told:
    """An answer of low confidence waits for a person, who edits it through the API; the client, which has waited, gets that person's answer."""
    told, got = Told(), list[Any]()

    def call() -> None:
        got.append(client_of(stage, key).chat.completions.create(model="triage", messages=[{"role": "user", "content": f"Which team answers {EMAIL}?"}]))

    waiting = threading.Thread(target=call, daemon=True)
    waiting.start()
    task = task_in(stage, "reviews")
    asked, draft = task["context"]["request"]["messages"][-1]["content"], task["context"]["draft"]["choices"][0]["content"]
    told.say("policy says", "; ".join(f"{reason['message']} ({reason['rule']})" for reason in task["reasons"]))
    told.say("person sees", f"{asked} - {draft}")
    expect(EMAIL not in json.dumps(task) and "<EMAIL_ADDRESS_" in asked and GUESS in draft, "the person sees more than policy reveals, or no draft")
    expect(waiting.is_alive(), "the client did not wait")
    placeholder = re.findall(r"<EMAIL_ADDRESS_\w+>", asked)[0]
    reviewer(stage, "POST", f"/v1/tasks/{task['id']}/claim")
    reviewer(stage, "POST", f"/v1/tasks/{task['id']}/decide", {"action": "edit", "content": f"Team Pilots answers {placeholder}.", "comment": "looked it up"})
    told.say("person wrote", f"Team Pilots answers {placeholder}.")
    waiting.join(20)
    expect(got, "the waiting client got nothing")
    answer: Any = got[0]
    told.say("caller got", answer.choices[0].message.content)
    expect(answer.choices[0].message.content == f"Team Pilots answers {EMAIL}.", "the caller did not get the person's answer with its own value in it")
    told.record = answer.model_extra["gateway"]["record"]
    told.say("record says", people_of(stage, told.record))
    expect("Ada Example" in people_of(stage, told.record), "the person does not stand on the record by name")
    return told


def outlives(stage: Stage, key: str) -> Told:
    """Policy holds a payment. The gateway is killed and started again; a person approves, and only then the model is asked."""
    told, before = Told(), len(stage.received())
    pending = client_of(stage, key).chat.completions.create(
        model="payments", messages=[{"role": "user", "content": "Pay invoice 17, please."}], extra_headers={"x-gateway-wait": "0"}
    )
    added: Any = (pending.model_extra or {})["gateway"]
    told.record = added["record"]
    told.say("caller got", str(pending.choices[0].message.refusal))
    expect(pending.choices[0].message.content is None and added["state"] == "parked", "the payment was not held")
    stage.kill_gateway()
    told.say("kill -9", f"ready again after {stage.start_gateway():.2f} s")
    expect(len(stage.received()) == before, "a payment that nobody approved reached the model")
    task = task_in(stage, "approvals")
    expect(task["intent"] == told.record, "another task waits")
    stage.command("tasks", "decide", task["id"], "--accept", "--comment", "invoice 17 is ours", key=stage.reviewer_key)
    told.say("person ran", f"gateway tasks decide {task['id']} --accept")
    later = reviewer(stage, "GET", f"/v1/intents/{told.record}?wait=20", key=key)
    expect(later["state"] == "completed" and later["answer"] is not None, "the approved payment did not go on")
    told.say("caller fetched", later["answer"]["choices"][0]["message"]["content"])
    expect(len(stage.received()) == before + 1, "the model was not asked once")
    told.say("record says", people_of(stage, told.record))
    told.say("verify", stage.command("records", "verify", "--tenant", "acme").strip().splitlines()[-1])
    return told


def people_of(stage: Stage, record: str) -> str:
    """Who decided what, as `gateway records show` draws it."""
    drawn = stage.command("records", "show", "--tenant", "acme", record).splitlines()
    return "; ".join(" ".join(line.split()) for line in drawn if re.search(r"\b(parked|resumed|Ada Example)\b", line))


PEOPLE: tuple[tuple[str, str, Story], ...] = (
    ("8", "a doubtful answer waits for a person, who edits it", is_edited),
    ("9", "a held payment outlives the gateway, and is approved", outlives),
)
