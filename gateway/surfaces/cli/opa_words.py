"""An OPA server in words: how it is configured, and what it answers when it is asked."""

from __future__ import annotations

import asyncio

from gateway.infrastructure.policy_engine_embedded import EngineError
from gateway.infrastructure.policy_engine_opa import OpaOptions, OpaServer
from gateway.settings import Opa
from gateway.surfaces.cli.config_file import Refusal


def about_opa(options: Opa) -> str:
    """How the server is asked, and what happens where it cannot be."""
    token = f"token {options.token.source}" if options.token else "no token"
    down = "the embedded engine decides, by the same revision" if options.fallback else "intents are refused"
    return f"OPA server at {options.url}, {token}, {options.timeout_s * 1000:g} ms for a decision; while it cannot be asked, {down}"


def ask_opa(options: Opa, names: frozenset[str]) -> str:
    """What the server says of itself.

    Raises:
        Refusal: It cannot be asked, or decides by a policy of none of these ``names``.
    """
    try:
        revisions = asyncio.run(_revisions(options))
    except EngineError as fault:
        raise Refusal(f"policy.opa.url: the OPA server at {options.url} cannot be asked: {fault.detail}; start it, or correct url and token") from None
    if names.isdisjoint(revisions):
        has, wanted = (", ".join(sorted(one[:12] for one in some)) for some in (revisions, names))
        raise Refusal(
            f"policy.opa: the OPA server decides by revision {has or 'none that it names'}, and this policy is {wanted}; "
            "load this policy there as a bundle: gateway policy build POLICIES"
        )
    return "it answers, and decides by this revision"


async def _revisions(options: Opa) -> frozenset[str]:
    server = OpaServer(OpaOptions(url=options.url, token=options.token.text() if options.token else None, timeout_s=max(options.timeout_s, 2.0)))
    await server.start()
    try:
        return (await server.ask("data.gateway.nothing", "{}")).revisions
    finally:
        await server.close()
