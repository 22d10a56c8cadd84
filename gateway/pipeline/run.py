"""The path of an intent. Each step is a file of its own; the order is here.

``run`` gives ``Released``, ``ReleasedStream`` or ``Refused``, and each of them has its record. It raises ``GatewayError`` only while no tenant is
known or no place is free: then there is no intent yet.
"""

from __future__ import annotations

import asyncio
import time

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
from gateway.pipeline.embed import ask_for_vectors, embed
from gateway.pipeline.identify import identify_key
from gateway.pipeline.inspect import LARGE, inspect
from gateway.pipeline.intent import Call, Denied, Intent, Refused, Released, ReleasedStream, new_intent_id
from gateway.pipeline.open import open_record
from gateway.pipeline.release import release
from gateway.pipeline.resolve import resolve
from gateway.pipeline.services import Services
from gateway.pipeline.stream import open_stream


async def run(services: Services, call: Call) -> Released | ReleasedStream | Refused:
    """Take a call along the path.

    Raises:
        Unauthenticated: Nobody known is calling.
        Overloaded: There is no room for another intent.
    """
    subject = identify_key(services, call.key)
    identified_ns = time.time_ns()
    admit(services)
    intent = Intent(id=new_intent_id(call.received_ns), call=call, subject=subject, trace=services.tracer.begin(call.traceparent), clock_ns=call.received_ns)
    bind_intent(intent.trace.trace_id, intent.id)
    intent.step("identify", until_ns=identified_ns)
    intent.step("admit")
    outcome: Released | ReleasedStream | Refused | None = None
    try:
        outcome = await _follow(services, intent)
    except GatewayError as error:
        intent.broke(error.record_reason)
        outcome = await refuse(services, intent, error)
    except asyncio.CancelledError:
        await close(services, intent, cut_off(services))
        raise
    except Exception as error:  # noqa: BLE001 - the one place that records a crash
        outcome = await refuse(services, intent, crashed(intent, error))
    finally:
        if not isinstance(outcome, ReleasedStream):
            leave(services)
    return outcome


async def _follow(services: Services, intent: Intent) -> Released | ReleasedStream | Refused:
    plan = intent.plan = await resolve(services, intent)
    intent.step("resolve", {INTENT_ROUTE: plan.route.name})
    inspection = intent.inspection = await inspect(services, intent)
    intent.step("inspect", findings_attributes(inspection.findings))
    verdict = await decide(services, intent, plan, inspection)
    intent.step("decide", decision_attributes(verdict.decision))
    if isinstance(verdict, Denied):
        return await refuse(services, intent, denied(verdict))
    plan, intent.plan, intent.obligations = verdict.plan, verdict.plan, verdict.obligations
    course = intent.course = choose(services, intent, verdict)
    ask = ask_for_vectors if intent.call.embeds else assemble
    question = ask(intent, verdict) if intent.call.size < LARGE else await asyncio.to_thread(ask, intent, verdict)
    intent.step("assemble")
    open_record(services, intent, lazy=plan.stream_mode is not StreamMode.PASS)
    intent.step("open")
    asking = Asking(services, intent, course)
    if intent.call.embeds:
        return await embed(services, intent, verdict, asking, question)
    if plan.stream_mode is not None:
        return await open_stream(services, intent, verdict, asking, question)
    answer = await Obtaining(services, intent, verdict, asking, read_answer).answer(question)
    return await release(services, intent, verdict, answer)
