from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from gateway.errors import UpstreamError, UpstreamMalformed, UpstreamRateLimited, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from gateway.infrastructure.model_client import TargetOptions
from gateway.infrastructure.model_litellm_errors import BY_CLASS, failure_of, mapped
from gateway.infrastructure.model_litellm_library import load
from gateway.infrastructure.model_litellm_wire import Pool

SECRET = "bluebird sk-canary-0123456789"
"""Made up, and must not come back in an error."""


def classes() -> list[type[Exception]]:
    exceptions = load().litellm.exceptions
    return [kind for _, kind in inspect.getmembers(exceptions, inspect.isclass) if issubclass(kind, Exception) and kind.__module__ == exceptions.__name__]


def raised(kind: type[Exception], **attributes: Any) -> Exception:
    error = kind.__new__(kind)
    Exception.__init__(error, SECRET)
    vars(error).update({"message": SECRET, **attributes})
    return error


def test_every_exception_of_litellm_has_its_row_and_no_row_is_of_nothing() -> None:
    assert {kind.__name__ for kind in classes()} == set(BY_CLASS)


def test_no_error_for_an_exception_of_litellm_repeats_its_words() -> None:
    for kind in classes():
        error = mapped(raised(kind, status_code=429, original_exception=None), "there")
        assert isinstance(error, UpstreamError)
        assert "bluebird" not in error.message
        assert "canary" not in error.message


EXPECTED: list[tuple[str, type[UpstreamError], int]] = [
    ("AuthenticationError", UpstreamRejected, 502),
    ("BadRequestError", UpstreamRejected, 400),
    ("ContextWindowExceededError", UpstreamRejected, 400),
    ("ContentPolicyViolationError", UpstreamRejected, 400),
    ("UnsupportedParamsError", UpstreamRejected, 400),
    ("NotFoundError", UpstreamRejected, 502),
    ("UnprocessableEntityError", UpstreamRejected, 422),
    ("RateLimitError", UpstreamRateLimited, 429),
    ("InternalServerError", UpstreamUnavailable, 502),
    ("ServiceUnavailableError", UpstreamUnavailable, 502),
    ("BadGatewayError", UpstreamUnavailable, 502),
    ("APIConnectionError", UpstreamUnavailable, 502),
    ("LiteLLMUnknownProvider", UpstreamUnavailable, 502),
    ("Timeout", UpstreamTimeout, 504),
    ("APIResponseValidationError", UpstreamMalformed, 502),
]


@pytest.mark.parametrize(("name", "expected", "status"), EXPECTED, ids=[row[0] for row in EXPECTED])
def test_a_class_becomes_the_error_that_it_stands_for(name: str, expected: type[UpstreamError], status: int) -> None:
    error = mapped(raised(getattr(load().litellm.exceptions, name)), "there")
    assert (type(error), error.http_status) == (expected, status)


def test_a_request_that_is_too_long_for_one_target_may_fit_another() -> None:
    assert mapped(raised(load().litellm.exceptions.ContextWindowExceededError), "there").reason_code == "upstream.context_length"


@pytest.mark.parametrize(
    ("status", "expected"),
    [(429, UpstreamRateLimited), (503, UpstreamUnavailable), (400, UpstreamRejected), (None, UpstreamUnavailable), (200, UpstreamUnavailable)],
)
def test_the_general_class_goes_by_its_status(status: int | None, expected: type[UpstreamError]) -> None:
    assert type(mapped(raised(load().litellm.exceptions.APIError, status_code=status), "there")) is expected


@pytest.mark.parametrize("attributes", [{"response": httpx.Response(429, headers={"retry-after": "7"})}, {"litellm_response_headers": {"retry-after": "7"}}])
def test_retry_after_is_taken_from_the_headers(attributes: dict[str, Any]) -> None:
    assert mapped(raised(load().litellm.exceptions.RateLimitError, **attributes), "there").headers == {"Retry-After": "7"}


def test_a_subclass_that_is_not_listed_goes_by_the_class_above_it() -> None:
    newer = type("NewerError", (load().litellm.exceptions.RateLimitError,), {})
    assert type(mapped(raised(newer), "there")) is UpstreamRateLimited


def test_an_error_within_a_stream_goes_by_what_it_holds() -> None:
    exceptions = load().litellm.exceptions
    inner = raised(exceptions.RateLimitError)
    assert type(mapped(raised(exceptions.MidStreamFallbackError, original_exception=inner), "there")) is UpstreamRateLimited


@pytest.mark.parametrize(
    ("original", "expected"), [(KeyError(SECRET), UpstreamRejected), (TypeError(), UpstreamRejected), (ImportError(), UpstreamUnavailable)]
)
def test_a_request_that_cannot_be_translated_is_refused(original: Exception, expected: type[UpstreamError]) -> None:
    wrapped = raised(load().litellm.exceptions.APIConnectionError)
    wrapped.__context__ = original
    assert type(mapped(wrapped, "there")) is expected
    assert type(mapped(original, "there")) is expected


def test_the_network_knows_better_than_litellm() -> None:
    load()
    wire = Pool(TargetOptions(name="there", base_url=None, model="m"), "0").wire(None)
    said = raised(load().litellm.exceptions.RateLimitError)
    assert type(failure_of(said, wire, "there", None)) is UpstreamRateLimited
    wire.status = 200
    assert type(failure_of(said, wire, "there", None)) is UpstreamMalformed
    wire.failure = UpstreamUnavailable("reset")
    assert failure_of(said, wire, "there", None) is wire.failure
    late = failure_of(said, wire, "there", "total")
    assert type(late) is UpstreamTimeout
    assert "total limit" in late.message
    own = UpstreamMalformed("ours")
    assert failure_of(own, SimpleNamespace(failure=None, status=200), "there", None) is own  # type: ignore[arg-type] # the two fields that it looks at
