from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import errors
from gateway.capabilities.routing.reactions import CONTEXT_LENGTH, REACTIONS, Then, is_of_the_request, reaction_to, retry_after_s
from gateway.domain import Reason
from gateway.errors import GatewayError, PolicyDenied, UpstreamRejected, UpstreamUnavailable
from gateway.infrastructure.upstream_answers import refusal

CLASSES: set[type[GatewayError]] = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, GatewayError)}

WANTED: dict[type[GatewayError], tuple[str, bool]] = {
    errors.GatewayError: ("stop", False),
    errors.InvalidRequest: ("stop", False),
    errors.PayloadTooLarge: ("stop", False),
    errors.HeadersTooLarge: ("stop", False),
    errors.UnsupportedMediaType: ("stop", False),
    errors.Unauthenticated: ("stop", False),
    errors.Forbidden: ("stop", False),
    errors.NotFound: ("stop", False),
    errors.MethodNotAllowed: ("stop", False),
    errors.Conflict: ("stop", False),
    errors.PayloadUnavailable: ("stop", False),
    errors.Indeterminate: ("stop", False),
    errors.Settled: ("stop", False),
    errors.PolicyDenied: ("stop", False),
    errors.Overloaded: ("other", False),
    errors.NoTarget: ("stop", False),
    errors.RecordUnavailable: ("stop", False),
    errors.ShuttingDown: ("stop", False),
    errors.InternalError: ("stop", False),
    errors.UpstreamError: ("same", True),
    errors.UpstreamRejected: ("stop", False),
    errors.UpstreamRateLimited: ("after", False),
    errors.UpstreamUnavailable: ("same", True),
    errors.UpstreamTimeout: ("other", True),
    errors.UpstreamMalformed: ("same", True),
    errors.AnswerInvalid: ("other", False),
}


def made(kind: type[GatewayError]) -> GatewayError:
    if issubclass(kind, errors.Settled):
        return kind(409, {"message": "no", "type": "invalid_request_error", "param": None, "code": "cancelled"})
    return PolicyDenied((Reason("team.route", "no"),)) if issubclass(kind, PolicyDenied) else kind("no")


def test_every_class_of_error_has_a_place_in_the_table() -> None:
    assert set(REACTIONS) == set(WANTED) == CLASSES


@pytest.mark.parametrize("kind", sorted(CLASSES, key=str), ids=str)
def test_what_follows_from_each_class_of_error(kind: type[GatewayError]) -> None:
    assert reaction_to(made(kind)) == WANTED[kind]


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        *((status, ("other", True)) for status in (401, 402, 403, 404, 405, 407, 410)),
        *((status, ("same", False)) for status in (408, 409, 425)),
        (413, ("other", False)),
        *((status, ("stop", False)) for status in (400, 406, 415, 422, 451, 499, None)),
    ],
)
def test_what_follows_from_the_status_of_a_rejection(status: int | None, wanted: tuple[str, bool]) -> None:
    assert reaction_to(UpstreamRejected("no", upstream_status=status)) == wanted


@pytest.mark.parametrize(
    ("status", "body", "then"),
    [
        (400, b'{"error": {"code": "context_length_exceeded"}}', Then.OTHER),
        (400, b'{"error": {"code": "invalid_value"}}', Then.STOP),
        (400, b"not JSON", Then.STOP),
        (429, b"{}", Then.AFTER),
        (500, b"{}", Then.SAME),
        (503, b'{"error": {"code": "context_length_exceeded"}}', Then.SAME),
        (302, b"", Then.SAME),
    ],
)
def test_what_follows_from_an_upstreams_refusal_as_the_client_reads_it(status: int, body: bytes, then: Then) -> None:
    error = refusal(status, body, None, "primary")
    assert reaction_to(error).then is then
    assert (error.reason_code == CONTEXT_LENGTH) == (then is Then.OTHER)


def test_a_class_that_is_not_in_the_table_is_treated_as_its_base() -> None:
    class Odd(UpstreamUnavailable):
        pass

    assert reaction_to(Odd("no")) == WANTED[errors.UpstreamUnavailable]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"RETRY-AFTER": "123456789012"}, 123_456_789.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:01 GMT"}, 0.0),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "\u0663"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "soon"}, None),
        ({"X-Retry-After": "7"}, None),
    ],
)
def test_how_long_a_retry_after_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, wall=lambda: 60.0) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9]{2}:[0-9]{2}:[0-9]{2} ([A-Z]{3}|[+-][0-9]{4})", fullmatch=True))
def test_no_retry_after_raises_or_is_negative(value: str) -> None:
    seconds = retry_after_s({"Retry-After": value})
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("status", "code", "wanted"),
    [
        *((status, None, True) for status in (400, 413, 415, 422, 451)),
        (400, CONTEXT_LENGTH, True),
        *((status, None, False) for status in (401, 402, 403, 404, 405, 407, 408, 409, 410, 425)),
    ],
)
def test_a_wrong_request_is_told_from_what_is_wrong_between_gateway_and_target(status: int, code: str | None, wanted: bool) -> None:
    assert is_of_the_request(UpstreamRejected("no", upstream_status=status, code=code)) is wanted
    assert not is_of_the_request(UpstreamUnavailable("no", upstream_status=status))
