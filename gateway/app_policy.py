"""The part of the composition that decides: the live policy, the server that may evaluate it, the candidate beside it, and the log of decisions."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.capabilities.decision_log.delivery import FileDelivery, ServerDelivery
from gateway.capabilities.decision_log.follower import Follower, FollowerOptions
from gateway.capabilities.decision_log.masking import Masker
from gateway.capabilities.policy.decider import PolicyDecider, PolicyOptions
from gateway.capabilities.policy.opa_engine import SERVER, OpaEngine
from gateway.capabilities.policy.problems import Problem
from gateway.capabilities.policy.shadow import Shadow, ShadowOptions
from gateway.capabilities.policy.sources import options_of
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_log import LogCursor
from gateway.infrastructure.log_client import LogClient
from gateway.infrastructure.policy_engine_opa import OpaOptions, OpaServer
from gateway.infrastructure.telemetry.logs import get_logger
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.settings import Opa, Settings

log = get_logger()


def policy(settings: Settings, metrics: Metrics) -> PolicyDecider:
    """The decider over the configured bundle."""
    options = settings.policy

    def reloaded(ok: bool, revision: str, problems: Sequence[Problem]) -> None:
        if ok:
            metrics.policy_loaded(revision)
            log.info("policy.reloaded", revision=revision)
        else:
            metrics.policy_refused()
            log.error("policy.refused", revision=revision, problems=[str(problem) for problem in problems])

    source = options_of(options)
    loaded = PolicyOptions(
        path=source.path,
        reload_s=source.reload_s,
        server=source.server,
        key=source.key,
        keep=source.keep,
        trial_s=options.trial_s,
        timeout_s=options.timeout_s,
        memo_entries=options.memo_entries,
    )
    return PolicyDecider(loaded, on_reload=reloaded, opa=None if options.opa is None else opa_engine(options.opa, metrics))


def opa_engine(options: Opa, metrics: Metrics) -> OpaEngine:
    """The OPA server that decides. Nothing is asked yet."""

    def changed(server: str, state: str) -> None:
        metrics.opa_breaker(server, state)
        log.warning("policy.opa", breaker=state, fallback=options.fallback)

    token = None if options.token is None else options.token.text()
    metrics.opa_breaker(SERVER, "closed")
    return OpaEngine(OpaServer(OpaOptions(url=options.url, token=token, timeout_s=options.timeout_s)), metrics, fallback=options.fallback, on_change=changed)


def shadow(settings: Settings, metrics: Metrics) -> Shadow | None:
    """The candidate beside the live policy, if the config has one. Nothing is read yet."""
    options = settings.policy
    if options.shadow is None:
        return None

    def changed(ok: bool, revision: str, problems: Sequence[Problem]) -> None:
        if ok:
            metrics.shadow_loaded(revision)
            log.info("policy.shadow_loaded", revision=revision)
        else:
            metrics.shadow_refused()
            log.error("policy.shadow_refused", revision=revision, problems=[str(problem) for problem in problems])

    candidate = ShadowOptions(
        path=options.shadow.path,
        reload_s=options.reload_s,
        key=None if options.bundle_key is None else options.bundle_key.reveal(),
        sample=options.shadow.sample,
        max_share=options.shadow.max_share,
        queue_entries=options.shadow.queue_entries,
        memo_entries=options.shadow.memo_entries,
        trial_s=options.trial_s,
        timeout_s=options.timeout_s,
    )
    return Shadow(candidate, metrics, changed)


def decision_log(settings: Settings, database: Database, live: PolicyDecider, metrics: Metrics) -> Follower | None:
    """What hands decisions over in OPA's format, if the config says to whom. Nothing is read yet."""
    options = settings.decision_log
    if options is None:
        return None
    token = None if options.token is None else options.token.text()
    delivery = FileDelivery(options.file) if options.file is not None else ServerDelivery(LogClient(options.url or "", token=token))
    following = FollowerOptions(tenants=tuple(settings.tenants), batch=options.batch, poll_s=options.poll_s)
    return Follower(following, LogCursor(database), Masker(lambda: live.policy), delivery, metrics)
