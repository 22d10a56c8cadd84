"""Queues in words, for ``gateway check``."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from gateway.domain_tasks import QUEUE_PREFIX, REFUSE, RELEASE
from gateway.settings import Queue, Settings
from gateway.surfaces.cli.route_words import number


def about_queues(settings: Settings) -> Iterator[str]:
    """Each queue, and how intents that wait are kept."""
    if not settings.queues:
        yield "queues     none: what policy escalates is refused"
        return
    for queue in settings.queues.values():
        seen_by = f"reviewers of {', '.join(sorted(queue.teams))}" if queue.teams else "all reviewers"
        yield f"queue      {queue.name}: for {seen_by}; due after {duration(queue.due_s)}, {_end(queue)}; a claim holds {duration(queue.claim_s)}"
        if queue.webhook is not None:
            yield f"           tells {_place(queue.webhook.url)} of each new task, signed with {queue.webhook.secret.source}"
    waiting = settings.waiting
    joined = f"the same call joins the one that waits within {duration(waiting.join_s)}" if waiting.join_s else "no call joins another"
    yield f"waiting    answers can be fetched for {duration(waiting.keep_s)}; {joined}"
    for tenant in settings.tenants.values():
        current, *older = (key.source for key in tenant.payload_keys)
        opened = f", older ones opened with {', '.join(older)}" if older else ""
        yield f"           what waits of {tenant.name} is encrypted with {current}{opened}"


def about_waiting(wait_s: float) -> str:
    """What callers of a route do while a person decides."""
    return f"while a person decides, callers wait up to {duration(wait_s)}" if wait_s else "callers do not wait for people, and ask later"


def duration(seconds: float) -> str:
    """``90 s``, ``15 min``, ``1 h``, ``2 d``: in the largest unit in which it is whole."""
    units = ((86_400, "d"), (3_600, "h"), (60, "min"))
    return next((f"{number(seconds / size)} {unit}" for size, unit in units if seconds >= size and seconds % size == 0), f"{number(seconds)} s")


def _end(queue: Queue) -> str:
    ends = {REFUSE: "its intent is refused", RELEASE: "its intent goes on without a person"}
    moves = f"it moves to {queue.on_expiry.removeprefix(QUEUE_PREFIX)}"
    return f"after {duration(queue.expires_s)} {ends.get(queue.on_expiry, moves)}"


def _place(url: str) -> str:
    """Its server alone: the path of a webhook's URL can be as good as a password."""
    return urlsplit(url).netloc
