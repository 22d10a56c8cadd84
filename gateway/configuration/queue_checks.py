"""What queues say of each other and of tenants, checked on the plain values, so that a wrong type elsewhere hides none of these problems."""

from __future__ import annotations

from typing import Any

from gateway.configuration.models_queues import DUE_S, EXPIRES_S
from gateway.configuration.problems import Where, nearest
from gateway.configuration.source import Document, at, mapping
from gateway.domain_tasks import QUEUE_PREFIX


def check_queues(document: Document) -> None:
    """Note every queue that cannot work, and every tenant that has no key for what waits in them."""
    queues = mapping(document.data.get("queues"))
    for name in queues:
        _check_next(document, name)
        _check_times(document, ("queues", name))
    _check_rounds(document)
    for tenant in mapping(document.data.get("tenants")):
        _check_keys(document, tenant, needed=bool(queues))


def _check_next(document: Document, name: str) -> None:
    following, queues = _next(document, name), mapping(document.data.get("queues"))
    if following is not None and following not in queues:
        document.problem(("queues", name, "on_expiry"), f"no queue named '{following}'", nearest(following, queues))


def _check_rounds(document: Document) -> None:
    """Expired tasks never come back to a queue where they have been: they would wait for ever, and never end."""
    seen: set[str] = set()
    for name in mapping(document.data.get("queues")):
        way: list[str] = []
        at_queue: str | None = name
        while at_queue is not None and at_queue not in seen and at_queue not in way:
            way.append(at_queue)
            at_queue = _next(document, at_queue)
        if at_queue in way:
            round_way = [*way[way.index(at_queue) :], at_queue]
            document.problem(
                ("queues", at_queue, "on_expiry"),
                f"goes round, {' -> '.join(round_way)}, so a task that nobody decides would never end",
                "end it with refuse or release in one of them",
            )
        seen.update(way)


def _next(document: Document, name: str) -> str | None:
    """The queue that expired tasks of this one go to, as written."""
    written = at(document, ("queues", name, "on_expiry"))
    return written.removeprefix(QUEUE_PREFIX) if isinstance(written, str) and written.startswith(QUEUE_PREFIX) else None


def _check_times(document: Document, queue: Where) -> None:
    due, expires = _number(at(document, (*queue, "due_s")), DUE_S), _number(at(document, (*queue, "expires_s")), EXPIRES_S)
    if due > expires:
        written = "due_s" if at(document, (*queue, "due_s")) is not None else "expires_s"
        document.problem((*queue, written), f"a task would be due after {due:g} s, when it has expired after {expires:g} s", "lower due_s, or raise expires_s")


def _number(value: Any, default: float) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default


def _check_keys(document: Document, tenant: str, *, needed: bool) -> None:
    where: Where = ("tenants", tenant, "payload_key")
    if at(document, where) is not None or not isinstance(at(document, where[:2]), dict):
        return
    hint = f"add payload_key: file:.gateway/secrets/{tenant}_payload and run `gateway init`"
    if needed:
        document.problem(where, "is required where there are queues: what waits for a person is stored encrypted with it", hint)
    elif at(document, (*where[:2], "older_payload_keys")):
        document.problem(where, "is required beside older_payload_keys, which only open what they once closed", hint)
