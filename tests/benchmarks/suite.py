"""The bench: what governance costs against a bare pass-through, on this machine, now. Writes ``build/bench.json``.

Servers under test run on one core, everything else (load, upstream, collector of traces) on the others. The two sides take turns, so that what the
machine does meanwhile falls on both.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import orjson

from gateway.domain import Json
from tests.benchmarks import parked
from tests.benchmarks.checks import check
from tests.benchmarks.measure import rss_mb
from tests.benchmarks.processes import cores, serving, start_to_ready
from tests.benchmarks.profiling import MODES, profile
from tests.benchmarks.report import PARKED, line, pair_line, publish, summary
from tests.benchmarks.runs import FULL, QUICK, Extent, LoadError, Runner, Side
from tests.benchmarks.static_upstream import STRUCTURED_MODEL
from tests.benchmarks.workloads import ASSESSED_ROUTE, MIXED, PAIRS, PLAIN_ROUTE, SCHEMA, TURN30, WORKLOADS
from tests.stage import ROOT, TEAM, TENANT, Stage, build, free_port

KEY = re.compile(r"gw_[A-Za-z0-9]+_[A-Za-z0-9]+")
_OUTPUT = ROOT / "build" / "bench.json"
_DOCUMENT = ROOT / "docs" / "performance.md"
_ROUTES = f"""\
routes:
  {PLAIN_ROUTE}: {{target: structured}}
  {ASSESSED_ROUTE}: {{target: structured, schema: answer, confidence: {{samples: 1, logprobs: false}}}}
"""
_TARGETS = f"""\
schemas:
  answer: {orjson.dumps(SCHEMA).decode().replace("{", "{{").replace("}", "}}")}
targets:
  structured:
    base_url: http://127.0.0.1:{{upstream}}/v1
    model: {STRUCTURED_MODEL}
    limits: {{{{connect_s: 5, first_token_s: 10, total_s: 30, concurrent: 1024}}}}
    price: {{{{input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.60}}}}
"""
"""What the stage's config has for the comparison of assessed calls with plain ones."""
_STARTS = 5
_SETTLING_CALLS = 3_000


class Scene:
    """Upstream and collector, running; the gateway's config."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.server_core, self.load_cores = cores()
        self.upstream, self.collector = free_port(), free_port()
        for name, port in (("static_upstream", self.upstream), ("collector", self.collector)):
            stack.enter_context(serving(folder / f"{name}.log", [f"tests.benchmarks.{name}", str(port)], port, self.load_cores))
        self.stage = build(folder, upstream=self.upstream, collector=self.collector)
        self.structured = _with_structured_routes(self.stage, self.upstream)

    @contextmanager
    def floor(self) -> Iterator[Side]:
        """The pass-through, running."""
        port = free_port()
        with serving(self.folder / "floor.log", ["tests.benchmarks.floor", str(port), str(self.upstream)], port, self.server_core) as server:
            yield Side(name="floor", port=port, pid=server.pid, key="none")

    @contextmanager
    def gateway(self, *command: str, structured: bool = False) -> Iterator[Side]:
        """The gateway, running with every control on; ``command`` runs it in another way. ``structured``: with the routes to compare, and their key."""
        stage = self.structured if structured else self.stage
        arguments = [*(command or ("gateway",)), "run", "--config", str(stage.config)]
        with serving(self.folder / "gateway.log", arguments, stage.port, self.server_core) as server:
            yield Side(name="governed", port=stage.port, pid=server.pid, key=stage.key)


def measure(runner: Runner, only: str | None) -> Json:
    """Every workload in turn, or one, each printed as soon as it is known."""
    results: Json = {}
    for key in [*WORKLOADS, TURN30]:
        if only in {None, key}:
            results[key] = runner.compare_turns() if key == TURN30 else runner.compare(WORKLOADS[key])
            print(line(key, results[key]), flush=True)
    return results


def measure_pairs(scene: Scene, extent: Extent, only: str | None) -> tuple[Json, int]:
    """Assessed calls beside plain ones, and how many calls that took."""
    results: Json = {}
    chosen = [key for key in PAIRS if only in {None, key}]
    if not chosen:
        return results, 0
    with scene.gateway(structured=True) as side:
        runner = Runner(side, side, extent, scene.load_cores)
        for key in chosen:
            results[key] = runner.compare_pair(PAIRS[key])
            print(pair_line(key, results[key]), flush=True)
    return results, runner.calls[side.name]


def bench(scene: Scene, *, quick: bool, only: str | None) -> Json:
    """All figures, in the form of ``build/bench.json``."""
    extent = QUICK if quick else FULL
    extra: Json = {"start_to_ready_s": start_to_ready(scene.stage, _STARTS)}
    with scene.floor() as floor, scene.gateway() as governed:
        runner = Runner(floor, governed, extent, scene.load_cores)
        results = measure(runner, only)
    pairs, paired = measure_pairs(scene, extent, only)
    results |= pairs
    calls = runner.calls[governed.name] + paired
    if only is None:
        extra["rss_growth_mb"], grown = growth(scene, extent)
        calls += grown
    extra["checks"] = check(scene.stage, calls, scene.collector)
    if only in {None, PARKED}:  # its gateways have records and traces of their own
        extra[PARKED] = parked.measure(scene.folder / PARKED, scene.upstream, scene.collector, parked.QUICK if quick else parked.FULL)
    return {**results, **extra}


def growth(scene: Scene, extent: Extent) -> tuple[float, int]:
    """By how many MiB a fresh gateway grows over many calls, and how many it had in all. What others left free in its memory cannot hide a leak."""
    with scene.gateway() as side:
        runner = Runner(side, side, extent, scene.load_cores)
        runner.load(side, MIXED, requests=_SETTLING_CALLS)
        before = rss_mb(side.pid)
        runner.load(side, MIXED, requests=extent.growth_calls)
        return round(rss_mb(side.pid) - before, 1), runner.calls[side.name]


def _with_structured_routes(stage: Stage, upstream: int) -> Stage:
    """The same gateway with the routes to compare, and a key for them. A gateway without schemas starts sooner: the other one is left as it is."""
    text = stage.config.read_text()
    config = stage.config.with_name("structured.yaml")
    config.write_text(text.replace("targets:\n", _TARGETS.format(upstream=upstream), 1).replace("routes:\n", _ROUTES, 1))
    made = replace(stage, config=config)
    routes = [part for route in (PLAIN_ROUTE, ASSESSED_ROUTE) for part in ("--route", route)]
    printed = made.run("keys", "create", "--tenant", TENANT, "--name", "pair", "--team", TEAM, *routes)
    key = KEY.search(printed.stdout)
    if key is None:
        raise RuntimeError(f"gateway keys create printed no key: {printed.stdout}{printed.stderr}")
    return replace(made, key=key[0])


def _said(folder: Path) -> str:
    """The end of what the gateway logged, for whoever has to find out why the bench failed."""
    log = folder / "gateway.log"
    return log.read_text(errors="replace")[-2000:] if log.exists() else ""


def main() -> int:
    """The bench or a profile; 1 where a check found something wrong."""
    parser = argparse.ArgumentParser(prog="bench.py", description="The price of governance against a bare pass-through.")
    parser.add_argument("--quick", action="store_true", help="one short round of each, for a first look")
    parser.add_argument("--only", choices=[*WORKLOADS, TURN30, *PAIRS, PARKED], help="one workload, or what parked intents cost")
    parser.add_argument("--profile", choices=[*WORKLOADS, TURN30], help="print the functions that take the most time under a workload, instead")
    parser.add_argument("--mode", choices=MODES, help="with --profile: one way of profiling, not both")
    parser.add_argument("--publish", action="store_true", help="put the figures of the whole bench into docs/performance.md as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder, ExitStack() as stack:
        try:
            scene = Scene(Path(folder), stack)
            if options.profile:
                profile(scene.gateway, scene.folder, scene.load_cores, options.profile, MODES if options.mode is None else (options.mode,))
                return 0
            results = bench(scene, quick=options.quick, only=options.only)
        except (LoadError, RuntimeError) as error:
            print(f"bench: {error}\n{_said(Path(folder))}", file=sys.stderr)
            return 2
    print(summary(results))
    if options.only is None:
        _OUTPUT.parent.mkdir(exist_ok=True)
        _OUTPUT.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2) + b"\n")
        if options.publish:
            publish(results, _DOCUMENT)
    return 0 if results["checks"]["equal"] and results["checks"]["verify_clean"] else 1


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
