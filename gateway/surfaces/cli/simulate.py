"""``gateway simulate``: the simulated provider as a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import NoReturn

import click
import uvloop

from gateway.simulated.script import Script, ScriptError
from gateway.simulated.script_reader import load_script
from gateway.simulated.server import SimulatedProvider


@click.command()
@click.option("--script", "script_path", type=click.Path(path_type=Path), help="YAML file with the rules; without one every prompt is echoed.")
@click.option("--listen", default="127.0.0.1:9101", show_default=True, help="HOST:PORT; port 0 takes a free one.")
@click.option("--log", "log_path", type=click.Path(path_type=Path), help="Append every received request to this file, a JSON line each.")
def command(script_path: Path | None, listen: str, log_path: Path | None) -> None:
    """Serve the simulated provider until it is stopped.

    It speaks OpenAI's chat completions, says what the script tells it to say, and fails as told.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        _refuse(f"--listen {listen}: must be HOST:PORT, such as 127.0.0.1:9101")
    try:
        script = Script() if script_path is None else load_script(script_path)
    except ScriptError as error:
        _refuse(str(error))
    provider = SimulatedProvider(script, host=host, port=int(port), log=log_path, keep=False)
    try:
        uvloop.run(_serve(provider))
    except OSError as error:
        _refuse(f"cannot serve on {listen} or write the log: {error.strerror}")


async def _serve(provider: SimulatedProvider) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with provider:
        click.echo(f"ready {provider.base_url} (simulated provider)")
        await stopped.wait()


def _refuse(problem: str) -> NoReturn:
    click.echo(problem, err=True)
    sys.exit(2)
