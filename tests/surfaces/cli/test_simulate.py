from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import aiohttp
import orjson
import pytest
from click.testing import CliRunner

from gateway.surfaces.cli.simulate import command


async def test_the_command_serves_logs_and_ends_quickly_when_it_is_told_to(tmp_path: Path) -> None:
    script, log = tmp_path / "script.yaml", tmp_path / "log.jsonl"
    script.write_text("rules: [{when: {contains: reset}, fault: {reset: middle}}, {when: {contains: slow}, fault: {slow: header}}, {reply: from the script}]")
    arguments = ["-m", "gateway", "simulate", "--script", str(script), "--listen", "127.0.0.1:0", "--log", str(log)]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        ready, base_url, *_ = (await process.stdout.readline()).decode().split()
        assert ready == "ready"
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{base_url}/chat/completions", data=_asked("hello")) as response:
                assert (await response.json())["choices"][0]["message"]["content"] == "from the script"
            with pytest.raises(aiohttp.ClientError):
                await (await session.post(f"{base_url}/chat/completions", data=_asked("reset"))).read()
            assert [orjson.loads(orjson.loads(line)["body"])["messages"][0]["content"] for line in log.read_bytes().splitlines()] == ["hello", "reset"]
            hanging = asyncio.create_task(session.post(f"{base_url}/chat/completions", data=_asked("slow")))
            await asyncio.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 5) == 0
            with pytest.raises(aiohttp.ClientError):
                await hanging
    finally:
        if process.returncode is None:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "nowhere"], "--listen nowhere: must be HOST:PORT, such as 127.0.0.1:9101\n"),
        (["--script", "missing.yaml"], "missing.yaml: cannot be read (FileNotFoundError)\n"),
        (["--listen", "127.0.0.1:0", "--log", "/"], "cannot serve on 127.0.0.1:0 or write the log: Is a directory\n"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert (result.exit_code, result.stderr) == (2, said)


def _asked(text: str) -> bytes:
    return orjson.dumps({"model": "simulated-1", "messages": [{"role": "user", "content": text}]})
