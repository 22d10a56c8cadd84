"""Every error class renders in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway import errors
from gateway.domain import Reason
from gateway.surfaces.error_responses import error_body, error_headers


def classes(root: type[errors.GatewayError] = errors.GatewayError) -> Iterator[type[errors.GatewayError]]:
    yield root
    for child in root.__subclasses__():
        yield from classes(child)


def made(kind: type[errors.GatewayError]) -> errors.GatewayError:
    if issubclass(kind, errors.Settled):
        return kind(409, {"message": "what happened", "type": "invalid_request_error", "param": None, "code": "cancelled"})
    return errors.PolicyDenied((Reason("rule", "no"),)) if issubclass(kind, errors.PolicyDenied) else kind("what happened")


@pytest.mark.parametrize("kind", list(classes()), ids=lambda kind: kind.__name__)
def test_an_error_has_a_status_a_type_a_code_and_a_message(kind: type[errors.GatewayError]) -> None:
    error = made(kind)
    body = error_body(error, "int_1")
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert 400 <= error.http_status < 600
    assert body["gateway"]["record"] == "int_1"


def test_a_refusal_by_policy_names_its_rules_and_asks_for_no_retry() -> None:
    error = errors.PolicyDenied((Reason("quota", "no more today"), Reason("team", "not yours")))
    assert error_body(error, "int_1")["gateway"]["reasons"] == [{"rule": "quota", "message": "no more today"}, {"rule": "team", "message": "not yours"}]
    assert error_headers(error)["x-should-retry"] == "false"
    assert error.message == "refused by policy: no more today (quota); not yours (team)"
