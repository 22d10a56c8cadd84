"""The path of an intent. Each step is a file of its own; the order is here.

``run`` gives ``Released``, ``ReleasedStream``, ``Refused`` or ``Parked``, and each of them has its record. It raises ``GatewayError`` only while no tenant is
known or no place is free: then there is no intent yet. What was parked comes here again by ``resume``.
"""

from __future__ import annotations

import asyncio
import time
from typing import TypeAlias

from gateway.domain import StreamMode
from gateway.errors import GatewayError
from gateway.infrastructure.telemetry.logs import bind_intent
from gateway.infrastructure.telemetry.semconv import INTENT_ROUTE, decision_attributes, findings_attributes
from gateway.pipeline.admit import admit, leave
from gateway.pipeline.answer import Obtaining, read_answer
from gateway.pipeline.assemble import assemble
from gateway.pipeline.attempts import Asking
from gateway.pipeline.choose import choose
from gateway.pipeline.close import close, crashed, cut_off, denied, refuse
from gateway.pipeline.decide import decide
from gateway.pipeline.draft import take_up
from gateway.pipeline.embed import ask_for_vectors, embed
from gateway.pipeline.hold import hold
from gateway.pipeline.idempotency import begin_once, earlier
from gateway.pipeline.identify import identify_key
from gateway.pipeline.inspect import LARGE, inspect
from gateway.pipeline.intent import Allowed, Call, Denied, Intent, Refused, Released, ReleasedStream, new_intent_id
from gateway.pipeline.open import open_record
from gateway.pipeline.parked import Held, Parked
from gateway.pipeline.rejoin import rejoin
from gateway.pipeline.release import release
from gateway.pipeline.resolve import resolve
from gateway.pipeline.services import Services
from gateway.pipeline.stream import open_stream

Outcome: TypeAlias = Released | ReleasedStream | Refused | Parked


async def run(services: Services, call: Call) -> Outcome:
    """Take a call along the path.

    Raises:
        Unauthenticated: Nobody known is calling.
        Overloaded: There is no room for another intent.
        Conflict: Its idempotency key belongs to another request.
    """
    subject = identify_key(services, call.key)
    identified_ns = time.time_ns()
    if call.idempotency_key is not None and (known := await earlier(services, subject, call)) is not None:
        return known
    admit(services)
    intent = Intent(id=new_intent_id(call.received_ns), call=call, subject=subject, trace=services.tracer.begin(call.traceparent), clock_ns=call.received_ns)
    intent.step("identify", until_ns=identified_ns)
    intent.step("admit")
    return await take_path(services, intent)


async def take_path(services: Services, intent: Intent) -> Outcome:
    """Take an admitted intent along the path, from its beginning or from where it was parked. Whatever happens, it ends on record or is parked."""
    bind_intent(intent.trace.trace_id, intent.id)
    outcome: Outcome | None = None
    try:
        outcome = await _follow(services, intent)
    except GatewayError as error:
        intent.broke(error.record_reason)
        outcome = await refuse(services, intent, error)
    except asyncio.CancelledError:
        if not intent.parking:
            await close(services, intent, cut_off(services))
        raise
    except Exception as error:  # noqa: BLE001 - the one place that records a crash
        outcome = await refuse(services, intent, crashed(intent, error))
    finally:
        if not isinstance(outcome, ReleasedStream):
            leave(services)
    return outcome


async def _follow(services: Services, intent: Intent) -> Outcome:
    plan = intent.plan = await resolve(services, intent)
    intent.step("resolve", {INTENT_ROUTE: plan.route.name})
    inspection = intent.inspection = await inspect(services, intent)
    intent.step("inspect", findings_attributes(inspection.findings))
    verdict = await decide(services, intent, plan, inspection)
    intent.step("decide", decision_attributes(verdict.decision))
    intent.obligations = verdict.decision.verdict.obligations if isinstance(verdict, Held) else intent.obligations
    if isinstance(verdict, Denied):
        return await refuse(services, intent, denied(verdict))
    if isinstance(verdict, Held):
        return await hold(services, intent, verdict)
    intent.plan, intent.obligations = verdict.plan, verdict.obligations
    if intent.resumed is not None and intent.resumed.draft is not None:
        return await release(services, intent, verdict, await take_up(intent, verdict, intent.resumed.draft))
    if (same := await rejoin(services, intent)) is not None:
        return same
    return await _call(services, intent, verdict)


async def _call(services: Services, intent: Intent, allowed: Allowed) -> Outcome:
    """The rest of the path of an intent that a model is asked about."""
    course = intent.course = choose(services, intent, allowed)
    ask = ask_for_vectors if intent.call.embeds else assemble
    question = ask(intent, allowed) if intent.call.size < LARGE else await asyncio.to_thread(ask, intent, allowed)
    intent.step("assemble")
    if intent.call.idempotency_key is not None and intent.row is None:
        other = await begin_once(services, intent)
        if other is not None:
            return other
    elif intent.opened is None:
        open_record(services, intent, lazy=allowed.plan.stream_mode is not StreamMode.PASS)
    intent.step("open")
    asking = Asking(services, intent, course)
    if intent.call.embeds:
        return await embed(services, intent, allowed, asking, question)
    if allowed.plan.stream_mode is not None:
        return await open_stream(services, intent, allowed, asking, question)
    answer = await Obtaining(services, intent, allowed, asking, read_answer).answer(question)
    return await release(services, intent, allowed, answer)
