from __future__ import annotations

import re

import pytest

from gateway import errors
from gateway.domain import Reason
from gateway.errors import AnswerInvalid, Conflict, GatewayError, Indeterminate, PolicyDenied, Settled, UpstreamRejected

CLASSES = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, GatewayError)]


def made(kind: type[GatewayError], message: str) -> GatewayError:
    if issubclass(kind, Settled):
        return kind(403, {"message": message, "type": "policy_denied", "param": None, "code": "policy_denied"})
    return PolicyDenied((Reason("team.route", message),)) if issubclass(kind, PolicyDenied) else kind(message)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_knows_how_it_is_rendered_and_logged(kind: type[GatewayError]) -> None:
    error = made(kind, "what, where, what to do")
    assert 400 <= error.http_status < 600
    assert re.fullmatch(r"[a-z_]+", error.type)
    assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", error.reason_code)
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", error.event)
    assert str(error) == error.message
    assert "what, where, what to do" in error.message


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = set(re.findall(r"(?:├──|└──) (\w+)", errors.__doc__ or "")) | {"GatewayError"}
    assert drawn == {kind.__name__ for kind in CLASSES}


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind.retryable is False], ids=lambda kind: kind.__name__)
def test_what_must_not_be_retried_is_a_refusal(kind: type[GatewayError]) -> None:
    assert made(kind, "no").http_status == {AnswerInvalid: 502, Conflict: 409, Indeterminate: 500}.get(kind, 403)


def test_what_was_told_once_is_told_again_as_it_was() -> None:
    error = Settled(409, {"message": "it was cancelled", "type": "invalid_request_error", "param": "model", "code": "cancelled"})
    assert (error.http_status, error.message, error.type, error.param, error.reason_code) == (
        409,
        "it was cancelled",
        "invalid_request_error",
        "model",
        "cancelled",
    )


@pytest.mark.parametrize(("upstream", "seen"), [(409, 409), (422, 422), (404, 502), (410, 502), (401, 502), (402, 502), (403, 502), (407, 502), (None, 400)])
def test_an_upstream_that_rejects_the_gateways_own_key_does_not_blame_the_callers(upstream: int | None, seen: int) -> None:
    assert UpstreamRejected("rejected", upstream_status=upstream).http_status == seen


def test_a_code_of_its_own_takes_the_place_of_the_class_one() -> None:
    error = GatewayError("m", code="model_not_found", param="model", headers={"retry-after": "1"})
    assert (error.reason_code, error.param, dict(error.headers)) == ("model_not_found", "model", {"retry-after": "1"})
