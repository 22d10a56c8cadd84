"""What the document says of tasks is what the gateway answers and takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gateway.domain import Json
from gateway.errors import InvalidRequest
from gateway.surfaces.openapi_tasks import SCHEMAS
from gateway.surfaces.task_forms import decided
from tests.surfaces.people import People, people_at


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[People]:
    async with people_at(tmp_path) as found:
        yield found


async def described(people: People) -> Json:
    return (await people.local.get("/openapi.json")).json


def must_fit(document: Json, name: str, value: Any) -> None:
    jsonschema.validate(value, {"$ref": f"#/components/schemas/{name}", "components": document["components"]}, jsonschema.Draft202012Validator)


async def test_every_answer_about_tasks_has_the_form_that_is_described(people: People) -> None:
    document = await described(people)
    asked, reviewed, several = [await people.park(route) for route in ("approve", "review", "four")]
    must_fit(document, "TaskList", (await people.get("/v1/tasks")).json)
    for task in (asked, reviewed, several):
        must_fit(document, "ShownTask", (await people.get(f"/v1/tasks/{task}")).json)
        must_fit(document, "Task", await people.move(task, "claim"))
        must_fit(document, "Task", await people.move(task, "release"))
        must_fit(document, "Task", await people.move(task, "decide", {"action": "accept"}))
    must_fit(document, "Task", await people.move(several, "withdraw"))
    assert (await people.outcome(asked))["state"] == "completed"
    must_fit(document, "ShownTask", (await people.get(f"/v1/tasks/{asked}")).json)


async def test_every_endpoint_wants_a_key_and_tells_its_errors(people: People) -> None:
    paths = {path: methods for path, methods in (await described(people))["paths"].items() if path.startswith("/v1/tasks")}
    reads = {"/v1/tasks", "/v1/tasks/{id}"}
    assert set(paths) == reads | {f"/v1/tasks/{{id}}/{move}" for move in ("claim", "release", "decide", "withdraw")}
    for path, methods in paths.items():
        (operation,) = methods.values()
        assert operation["security"] == [{"key": []}]
        assert set(operation["responses"]) >= {"200", "401", "403", "404", "503"}
        assert ("409" in operation["responses"]) is (path not in reads)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "accept"},
        {"action": "accept", "content": None, "comment": None, "version": None},
        {"action": "accept", "content": "x"},
        {"action": "edit"},
        {"action": "edit", "content": None},
        {"action": "edit", "content": ""},
        {"action": "edit", "content": []},
        {"action": "edit", "content": [""]},
        {"action": "edit", "content": "x", "version": 2},
        {"action": "answer", "content": ["x", "y"], "comment": "z"},
        {"action": "refuse", "version": 0},
        {"action": "refuse", "version": 2**31},
        {"action": "refuse", "comment": "x" * 4_001},
        {"action": "approve"},
        {"action": "refuse", "more": 1},
    ],
)
def test_a_decision_is_described_as_it_is_taken(body: Json) -> None:
    try:
        decided(body)
        taken = True
    except InvalidRequest:
        taken = False
    assert jsonschema.Draft202012Validator(SCHEMAS["TaskDecision"]).is_valid(body) is taken
