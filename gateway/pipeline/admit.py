"""Admit: take on an intent only while there is room for it, and give the room back when it ends."""

from __future__ import annotations

from gateway.errors import Overloaded, ShuttingDown
from gateway.pipeline.services import Services


def admit(services: Services) -> None:
    """Take one place; ``leave`` gives it back.

    Raises:
        Overloaded: ``server.limits.in_flight`` intents are running.
        ShuttingDown: The process is draining.
    """
    limits = services.limits
    if limits.draining:
        raise ShuttingDown("the gateway is shutting down; try again, another process will answer", headers={"retry-after": "1"})
    if limits.running >= limits.in_flight:
        raise Overloaded("the gateway is at its limit of concurrent intents; try again shortly", headers={"retry-after": "1"})
    limits.running += 1
    services.metrics.intent_started()


def leave(services: Services) -> None:
    """Give the place back."""
    services.limits.running -= 1
