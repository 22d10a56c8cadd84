"""The first code that sees an HTTP request, and the last that can answer it.

The hot endpoints are plain ASGI callables looked up by path here; everything else is the FastAPI application, whose OpenAPI document describes them all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from gateway.errors import GatewayError, InternalError, MethodNotAllowed
from gateway.infrastructure.telemetry.logs import get_logger
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.surfaces.error_responses import send_error
from gateway.surfaces.http_request import ClientGoneError, Message, Receive, RequestLimits, Scope, Send, check_headers

log = get_logger()

Asgi: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Front:
    """The ASGI application that the server runs."""

    def __init__(self, endpoints: Mapping[str, Asgi], application: Asgi, limits: RequestLimits, metrics: Metrics) -> None:
        self._endpoints = endpoints
        self._application = application
        self._limits = limits
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, websocket or lifespan scope."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            check_headers(scope, self._limits)
            endpoint = self._endpoints.get(scope["path"])
            if endpoint is None:
                await self._application(scope, receive, sending)
            elif scope["method"] != "POST":
                raise MethodNotAllowed("this endpoint takes POST", headers={"allow": "POST"})
            else:
                await endpoint(scope, receive, sending)
        except ClientGoneError:
            log.debug("client.gone")
        except GatewayError as error:
            self._metrics.request_refused(error.reason_code)
            if not started:
                await send_error(send, error)
        # Outside of any intent this is the last place that can answer.
        except Exception as error:
            log.exception("request.crashed", exc_info=error)
            if not started:
                await send_error(send, InternalError("the gateway failed on this request; its log says where"))
