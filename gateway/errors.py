"""Errors that a caller can see. Each class knows its HTTP status, its OpenAI ``type`` and ``code``, and its log event.

    GatewayError
    ├── InvalidRequest            400  the body, a header or a parameter is not what the surface takes
    │   ├── PayloadTooLarge       413
    │   ├── HeadersTooLarge       431
    │   └── UnsupportedMediaType  415
    ├── Unauthenticated           401  no key, an unknown, expired or revoked one
    ├── Forbidden                 403  the key lacks a role for an operator's endpoint
    ├── NotFound                  404  no such endpoint, model or record for this key
    ├── MethodNotAllowed          405
    ├── Conflict                  409  the task or intent is in another state, or an idempotency key was used for another body
    ├── PolicyDenied              403  Rego (or its failing) refused the intent or the answer
    ├── Overloaded                429  the gateway or a target is at its limit
    ├── NoTarget                  503  no target of the route can be called now, or for this request
    ├── RecordUnavailable         503  nothing can be recorded, so nothing is answered
    ├── PayloadUnavailable        503  what was kept of an intent cannot be read: its key is not configured
    ├── Indeterminate             500  whoever ran the intent is gone: what it did is not known
    ├── Settled                   any  how an intent ended earlier, told again
    ├── ShuttingDown              503
    ├── InternalError             500  a defect of the gateway itself
    └── UpstreamError             502  the target failed
        ├── UpstreamRejected      4xx  it refused the request; its status is handed on
        ├── UpstreamRateLimited   429  with its Retry-After
        ├── UpstreamUnavailable   502  refused, reset, unresolvable or answering 5xx
        ├── UpstreamTimeout       504  connect, first token or total
        ├── UpstreamMalformed     502  not what an OpenAI-compatible server sends, or a stream cut short
        └── AnswerInvalid         502  what the target answered breaks its schema, and so did every repair

``surfaces/error_responses.py`` is the one place that renders them. A message never quotes a value of the request, of the answer or of an upstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from gateway.domain import Reason


class GatewayError(Exception):
    """The root. ``message`` says what, where and what to do; ``param`` names the part of the request at fault."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"
    event: ClassVar[str] = "request.failed"
    retryable: ClassVar[bool | None] = None
    """``False`` tells SDKs not to retry (``x-should-retry``), ``None`` leaves it to the status."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.reason_code = code or self.code
        self.headers: Mapping[str, str] = headers or {}

    @property
    def http_status(self) -> int:
        """The status to answer with."""
        return self.status

    @property
    def record_reason(self) -> str:
        """The reason that stands on the record."""
        return self.reason_code


class InvalidRequest(GatewayError):
    """The request is not what the surface takes."""

    status, type, code, event = 400, "invalid_request_error", "invalid_request", "request.invalid"


class PayloadTooLarge(InvalidRequest):
    """The body is over the configured limit."""

    status, code = 413, "payload_too_large"


class HeadersTooLarge(InvalidRequest):
    """The headers are over the configured limit."""

    status, code = 431, "headers_too_large"


class UnsupportedMediaType(InvalidRequest):
    """The content type or encoding is not JSON in UTF-8."""

    status, code = 415, "unsupported_media_type"


class Unauthenticated(GatewayError):
    """No usable key came with the request."""

    status, type, code, event = 401, "authentication_error", "invalid_api_key", "key.rejected"


class Forbidden(GatewayError):
    """The key is good but lacks the role."""

    status, type, code, event = 403, "permission_error", "forbidden", "request.forbidden"
    retryable = False


class NotFound(GatewayError):
    """There is no such thing for this key."""

    status, type, code, event = 404, "invalid_request_error", "not_found", "request.not_found"


class MethodNotAllowed(GatewayError):
    """The endpoint exists, the method does not."""

    status, type, code, event = 405, "invalid_request_error", "method_not_allowed", "request.method_not_allowed"


class PolicyDenied(GatewayError):
    """Policy refused, or could not be asked."""

    status, type, code, event = 403, "policy_denied", "policy_denied", "intent.refused"
    retryable = False

    def __init__(self, reasons: tuple[Reason, ...]) -> None:
        self.reasons = reasons or (Reason("policy.no_reason", "the policy gave no reason"),)
        super().__init__("refused by policy: " + "; ".join(f"{reason.message} ({reason.rule})" for reason in self.reasons))

    @property
    def record_reason(self) -> str:
        """The rule that refused."""
        return self.reasons[0].rule


class Conflict(GatewayError):
    """The task or intent is in another state than what was asked needs, or an idempotency key belongs to another body. Asking again changes nothing."""

    status, type, code, event = 409, "invalid_request_error", "conflict", "request.conflict"
    retryable = False


class Overloaded(GatewayError):
    """A limit of concurrent work is reached."""

    status, type, code, event = 429, "rate_limit_error", "overloaded", "intent.overloaded"


class NoTarget(GatewayError):
    """No target of the route can be called: its conditions, its limits or its breakers are against it."""

    status, type, code, event = 503, "server_error", "no_target", "intent.no_target"


class RecordUnavailable(GatewayError):
    """The record cannot be written: no record, no answer."""

    status, type, code, event = 503, "server_error", "record_unavailable", "record.unavailable"


class PayloadUnavailable(GatewayError):
    """What was kept of an intent cannot be read, because the key that it was encrypted with is not configured. Nothing is lost."""

    status, type, code, event = 503, "server_error", "payload_unavailable", "payload.unavailable"


class Indeterminate(GatewayError):
    """Whoever ran the intent is gone, and nobody knows what came of it. It is not run again by itself."""

    status, type, code, event = 500, "server_error", "indeterminate", "intent.indeterminate"
    retryable = False


class Settled(GatewayError):
    """How an intent ended earlier, as it was told then: it is told again, and nothing is done again."""

    retryable = False

    def __init__(self, status: int, error: Mapping[str, str | None]) -> None:
        """``error`` has ``message``, ``type``, ``param`` and ``code``, as they were rendered."""
        super().__init__(error["message"] or "", param=error.get("param"), code=error["code"])
        self.type = error["type"] or "server_error"  # type: ignore[misc]  # of this one error, what is otherwise of a class
        self._status = status

    @property
    def http_status(self) -> int:
        """The status with which it was told."""
        return self._status


class ShuttingDown(GatewayError):
    """The process is draining."""

    status, type, code, event = 503, "server_error", "shutting_down", "server.draining"


class InternalError(GatewayError):
    """A defect of the gateway; the log has the trace, the caller only the id."""

    event = "intent.crashed"


class UpstreamError(GatewayError):
    """The target failed."""

    status, type, code, event = 502, "upstream_error", "upstream.failed", "attempt.failed"

    def __init__(
        self, message: str, *, upstream_status: int | None = None, param: str | None = None, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, param=param, code=code, headers=headers)
        self.upstream_status = upstream_status


class UpstreamRejected(UpstreamError):
    """The target refused the request (4xx); its status is handed on."""

    status, type, code = 400, "invalid_request_error", "upstream.rejected"

    @property
    def http_status(self) -> int:
        """The upstream's own 4xx, except those that would blame the caller for the gateway's key, or for its model and address of the target."""
        status = self.upstream_status or self.status
        return 502 if status in {401, 402, 403, 404, 405, 407, 410} else status


class UpstreamRateLimited(UpstreamError):
    """The target answered 429."""

    status, type, code = 429, "rate_limit_error", "upstream.rate_limited"


class UpstreamUnavailable(UpstreamError):
    """The target cannot be reached, reset the connection or answered 5xx."""

    code = "upstream.unavailable"


class UpstreamTimeout(UpstreamError):
    """A time limit of the target passed."""

    status, code = 504, "upstream.timeout"


class UpstreamMalformed(UpstreamError):
    """The target answered something that is not an OpenAI-compatible answer, or cut its stream."""

    code = "upstream.malformed"


class AnswerInvalid(UpstreamError):
    """The answer breaks its schema after all repairs and fallbacks. Asking again would only repeat them."""

    code = "answer.schema_invalid"
    retryable = False
