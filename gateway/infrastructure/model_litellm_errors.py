"""Our error for each class that litellm raises: by its class and status, never by its text, which can quote the prompt. litellm is not imported here.

Where the network knows what happened, the network's account comes first (``model_litellm_wire``). This is for what fails before a request is sent, or within a
provider's own library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from gateway.errors import UpstreamError, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from gateway.infrastructure.upstream_answers import malformed, refusal

if TYPE_CHECKING:  # it needs what comes with litellm
    from gateway.infrastructure.model_litellm_wire import Wire

_Made = Callable[[str, Exception], UpstreamError]

_TRANSLATION: Final = (LookupError, TypeError, ValueError, AttributeError, AssertionError)
"""What Python raises where a request is not of the form that a translation counts on."""


def failure_of(error: Exception, wire: Wire, target: str, late: str | None) -> UpstreamError:
    """What a call failed of: a limit of time (``late`` is its name), the network, what the provider answered, or what came before it was asked."""
    if late is not None:
        return UpstreamTimeout(f"The target {target} took longer than its {late} limit.")
    if wire.failure is not None:
        return wire.failure
    if isinstance(error, UpstreamError):
        return error
    return mapped(error, target) if wire.status is None else unusable(target)


def mapped(error: Exception, target: str) -> UpstreamError:
    """Our error for what litellm raised, before any answer has come."""
    for kind in type(error).__mro__:
        made = BY_CLASS.get(kind.__name__)
        if made is not None:
            return made(target, error)
    return _untranslated(target) if isinstance(error, _TRANSLATION) else _unavailable(target, error)


def unusable(target: str) -> UpstreamError:
    """Our error for an answer of status 200 that litellm could not read."""
    return malformed(target, "it cannot be read as the provider's format")


def _by_status(status: int) -> _Made:
    return lambda target, error: refusal(status, b"", _retry_after(error), target)


def _own_status(target: str, error: Exception) -> UpstreamError:
    status = getattr(error, "status_code", None)
    return refusal(status, b"", _retry_after(error), target) if isinstance(status, int) and 400 <= status < 600 else _unavailable(target, error)


def _connection(target: str, error: Exception) -> UpstreamError:
    """Of the class for whatever litellm does not know: a broken connection of a provider's library, or a request that it could not translate."""
    return _untranslated(target) if isinstance(error.__context__, _TRANSLATION) else _unavailable(target, error)


def _mid_stream(target: str, error: Exception) -> UpstreamError:
    original = getattr(error, "original_exception", None)
    return mapped(original, target) if isinstance(original, Exception) and original is not error else _unavailable(target, error)


def _unavailable(target: str, _: Exception) -> UpstreamError:
    return UpstreamUnavailable(f"The target {target} could not be called.")


def _untranslated(target: str) -> UpstreamError:
    return UpstreamRejected(f"The request could not be put into the form that the provider of the target {target} takes. Check its messages and parameters.")


def _timeout(target: str, _: Exception) -> UpstreamError:
    return UpstreamTimeout(f"The target {target} took longer than its total limit.")


def _malformed(target: str, _: Exception) -> UpstreamError:
    return unusable(target)


def _unsupported(target: str, _: Exception) -> UpstreamError:
    return UpstreamRejected(f"The provider of the target {target} does not take one of the request's parameters, or its value.", upstream_status=400)


def _too_long(target: str, _: Exception) -> UpstreamError:
    return UpstreamRejected(f"The request is too long for the target {target}.", upstream_status=400, code="upstream.context_length")


def _unknown_provider(target: str, _: Exception) -> UpstreamError:
    return UpstreamUnavailable(f"The target {target} has a provider or model that litellm does not know. Check the target's provider and model.")


def _switched_off(target: str, _: Exception) -> UpstreamError:
    """Of a feature of litellm's own server, which the gateway does not use."""
    return UpstreamUnavailable(f"The target {target} could not be called: litellm refused on its own account.")


BY_CLASS: Final[Mapping[str, _Made]] = {
    "APIConnectionError": _connection,
    "APIError": _own_status,
    "APIResponseValidationError": _malformed,
    "AuthenticationError": _by_status(401),
    "BadGatewayError": _by_status(502),
    "BadRequestError": _by_status(400),
    "BlockedPiiEntityError": _switched_off,
    "BudgetExceededError": _switched_off,
    "ContentPolicyViolationError": _by_status(400),
    "ContextWindowExceededError": _too_long,
    "GuardrailRaisedException": _switched_off,
    "ImageFetchError": _by_status(400),
    "InternalServerError": _by_status(500),
    "InvalidRequestError": _by_status(400),
    "JSONSchemaValidationError": _malformed,
    "LiteLLMUnknownProvider": _unknown_provider,
    "MidStreamFallbackError": _mid_stream,
    "MockException": _own_status,
    "ModelNotMappedError": _unknown_provider,
    "ModifyResponseException": _switched_off,
    "NotFoundError": _by_status(404),
    "OpenAIError": _own_status,
    "PaymentRequiredError": _by_status(402),
    "PermissionDeniedError": _by_status(403),
    "RateLimitError": _by_status(429),
    "RejectedRequestError": _by_status(400),
    "SensitiveDataRouteException": _switched_off,
    "ServiceUnavailableError": _by_status(503),
    "Timeout": _timeout,
    "UnprocessableEntityError": _by_status(422),
    "UnsupportedParamsError": _unsupported,
    "VectorStoreSearchError": _switched_off,
}
"""One row for each class of ``litellm.exceptions``, by name; a test holds it complete."""


def _retry_after(error: Exception) -> str | None:
    for holder in (getattr(error, "litellm_response_headers", None), getattr(getattr(error, "response", None), "headers", None)):
        value = holder.get("retry-after") if isinstance(holder, Mapping) else None
        if isinstance(value, str):
            return value
    return None
