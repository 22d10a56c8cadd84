"""What targets and routes say of each other, checked on the plain values, so that a wrong type elsewhere hides none of these problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.configuration.models_routing import ATTEMPTS, DEADLINE_S
from gateway.configuration.problems import Where, dotted, nearest
from gateway.configuration.source import Document, at, mapping


def check_routes(document: Document) -> None:
    """Note every target and route that cannot work: names that lead nowhere or twice, numbers that contradict each other."""
    for name in mapping(document.data.get("targets")):
        _check_client(document, ("targets", name))
    for name in mapping(document.data.get("routes")):
        route: Where = ("routes", name)
        entries = list(_entries(document, route))
        _check_targets(document, route, entries)
        _check_named(document, (*route, "repair", "target"), "targets")
        _check_named(document, (*route, "schema"), "schemas")
        _check_numbers(document, route, entries)
    _check_aliases(document)


def _check_client(document: Document, target: Where) -> None:
    """``provider`` is litellm's business; where OpenAI's API is spoken, somebody has to say where."""
    written = mapping(at(document, target))
    client = written.get("client", "openai")
    if client == "litellm" and written.get("provider") is None:
        document.problem((*target, "provider"), "is required with client litellm", "litellm's name of the provider, such as anthropic, gemini or bedrock")
    if client == "openai" and written.get("provider") is not None:
        document.problem((*target, "provider"), "is only for client litellm", "add client: litellm, or leave provider out")
    if client == "openai" and isinstance(at(document, target), Mapping) and written.get("base_url") is None:
        document.problem((*target, "base_url"), "is required with client openai", "the server's URL up to and including /v1")


def _entries(document: Document, route: Where) -> Iterator[tuple[Where, str, int]]:
    """Each target that a route names: where, its name, its tier."""
    targets, short = at(document, (*route, "targets")), at(document, (*route, "target"))
    if isinstance(short, str):
        yield (*route, "target"), short, 1
    for index, entry in enumerate(targets if isinstance(targets, tuple) else ()):
        name, tier = mapping(entry).get("target"), mapping(entry).get("tier")
        if isinstance(name, str):
            yield (*route, "targets", index, "target"), name, tier if isinstance(tier, int) else index + 1


def _check_targets(document: Document, route: Where, entries: list[tuple[Where, str, int]]) -> None:
    written = at(document, route)
    both = [key for key in ("target", "targets") if mapping(written).get(key) is not None]
    if isinstance(written, Mapping) and len(both) != 1:
        document.problem((*route, *both[1:]), "needs target or targets" + (", not both" if both else ""))
    known = mapping(document.data.get("targets"))
    seen: dict[tuple[str, int], Where] = {}
    for where, name, tier in entries:
        if name not in known:
            document.problem(where, f"no target named '{name}'", nearest(name, known))
        first = seen.setdefault((name, tier), where)
        if first != where:
            document.problem(where, f"'{name}' stands twice in tier {tier}, first in {dotted(first[:-1])} (line {document.line(first)})", "give it one weight")


def _check_named(document: Document, where: Where, section: str) -> None:
    """What stands at ``where``, if anything, is a name of ``section``."""
    name, known = at(document, where), mapping(document.data.get(section))
    if isinstance(name, str) and name not in known:
        document.problem(where, f"no {section.removesuffix('s')} named '{name}'", nearest(name, known))


def _check_numbers(document: Document, route: Where, entries: list[tuple[Where, str, int]]) -> None:
    attempts, samples = at(document, (*route, "attempts")), at(document, (*route, "confidence", "samples"))
    budget = ATTEMPTS if attempts is None else attempts
    if _is_int(samples) and _is_int(budget) and samples > budget:
        document.problem(
            (*route, "confidence", "samples"), f"{samples} samples are more than the {budget} attempts of this route", "raise attempts, or ask for fewer"
        )
    if at(document, (*route, "hedge_after_s")) is not None and len({name for _, name, _ in entries}) < 2:
        document.problem((*route, "hedge_after_s"), "needs a second target to ask beside the first")
    _check_order(document, (*route, "retries"), "backoff_s", "backoff_max_s")
    _check_times(document, route)


def _check_times(document: Document, route: Where) -> None:
    """Nothing that is to happen before the deadline needs all of its time."""
    deadline, targets = at(document, (*route, "deadline_s")), at(document, (*route, "targets"))
    limit = DEADLINE_S if deadline is None else deadline
    times: list[tuple[Where, Any]] = [((*route, "hedge_after_s"), at(document, (*route, "hedge_after_s")))]
    for index, entry in enumerate(targets if isinstance(targets, tuple) else ()):
        times.append(((*route, "targets", index, "when", "min_remaining_s"), mapping(mapping(entry).get("when")).get("min_remaining_s")))
    for where, seconds in times:
        if _is_number(seconds) and _is_number(limit) and seconds >= limit:
            document.problem(where, f"is not shorter than the route's deadline of {limit:g} s, so it would never come to that", "lower it, or raise deadline_s")


def _check_order(document: Document, where: Where, lower: str, upper: str) -> None:
    """Two numbers that were both written are in order."""
    low, high = at(document, (*where, lower)), at(document, (*where, upper))
    if _is_number(low) and _is_number(high) and low > high:
        document.problem((*where, lower), f"is larger than {upper}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_aliases(document: Document) -> None:
    """No name stands for two routes."""
    routes = mapping(document.data.get("routes"))
    owner: dict[str, str] = {name: dotted(("routes", name)) for name in routes}
    for name in routes:
        aliases = at(document, ("routes", name, "aliases"))
        for index, alias in enumerate(aliases if isinstance(aliases, tuple) else ()):
            where: Where = ("routes", name, "aliases", index)
            if not isinstance(alias, str):
                continue
            if alias in owner:
                document.problem(where, f"'{alias}' already names {owner[alias]}")
            else:
                owner[alias] = f"{dotted(where)} (line {document.line(where)})"
