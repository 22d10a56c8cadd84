from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
from pathlib import Path

from gateway.infrastructure.model_litellm_library import load


def test_litellm_is_loaded_in_a_worker_thread_while_the_loop_goes_on() -> None:
    script = (
        "import asyncio, sys, threading\n"
        "from gateway.infrastructure import model_litellm as m\n"
        "from gateway.infrastructure.model_client import TargetOptions\n"
        "threads, real = set(), m.load\n"
        "m.load = lambda: (threads.add(threading.current_thread() is threading.main_thread()), real())[1]\n"
        "async def main():\n"
        "    client = m.LitellmClient(TargetOptions(name='there', base_url=None, model='m'), 'anthropic')\n"
        "    start, ticks = asyncio.ensure_future(client.start()), 0\n"
        "    while not start.done():\n"
        "        await asyncio.sleep(0.01)\n"
        "        ticks += 1\n"
        "    await start\n"
        "    print('litellm' in sys.modules, threads, ticks > 5, threading.active_count() <= 3)\n"
        "asyncio.run(main())\n"
    )
    assert _run(script) == "True {False} True True"


def test_a_gateway_without_such_a_target_never_loads_litellm() -> None:
    script = (
        "import sys, gateway.app, gateway.infrastructure.model_litellm\nprint(sorted(name for name in ('litellm', 'openai', 'httpx') if name in sys.modules))"
    )
    assert _run(script) == "[]"


def test_loading_reads_no_file_and_asks_nobody(tmp_path: Path) -> None:
    script = (
        "import pathlib, socket, sys, os\n"
        "def connect(*a, **k): print('connected', a)\n"
        "socket.socket.connect = socket.getaddrinfo = connect\n"
        "pathlib.Path('.env').write_text('CANARY_FROM_FILE=1')\n"
        "from gateway.infrastructure.model_litellm import load\n"
        "load()\n"
        "print('CANARY_FROM_FILE' in os.environ)\n"
    )
    assert _run(script, folder=tmp_path) == "False"


def test_warnings_that_could_quote_an_answer_are_silent() -> None:
    script = (
        "import warnings\n"
        "from gateway.infrastructure.model_litellm_library import load\n"
        "load()\n"
        "with warnings.catch_warnings(record=True) as heard:\n"
        "    for module in ('pydantic.main', 'litellm.utils', 'somewhere'):\n"
        "        warnings.warn_explicit('canary', UserWarning, 'file', 1, module=module)\n"
        "print(len(heard))\n"
    )
    assert _run(script) == "1"


def test_what_litellm_does_besides_translating_is_off() -> None:
    library = load()
    assert library is load()
    importlib.import_module("litellm.llms.vertex_ai.context_caching.vertex_ai_context_caching")  # puts itself on the list
    for name in ("callbacks", "success_callback", "failure_callback", "input_callback", "service_callback"):
        callbacks = getattr(library.litellm, name)
        callbacks += [print]
        callbacks.extend([print])
        callbacks.insert(0, print)
        assert callbacks == []
    assert (library.litellm.drop_params, library.litellm.modify_params, library.litellm.cache, library.litellm.num_retries) == (False, False, None, None)
    for name in ("LiteLLM", "httpx", "openai"):
        logger = logging.getLogger(name)
        assert (logger.propagate, logger.isEnabledFor(logging.ERROR)) == (False, False)
    handler = sys.modules["litellm.llms.custom_httpx.http_handler"].AsyncHTTPHandler
    assert type(handler.create_async_transport()).__name__ == type(handler._create_async_transport()).__name__ == "Switch"


def _run(script: str, folder: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LITELLM")} | {"PYTHONPATH": str(Path.cwd())}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment, cwd=folder).stdout.strip()


def test_what_a_first_call_of_a_provider_needs_is_loaded_before_it() -> None:
    script = (
        "import asyncio, sys\n"
        "from gateway.infrastructure.model_client import ModelRequest, TargetOptions\n"
        "from gateway.infrastructure.model_litellm import LitellmClient\n"
        "from gateway.simulated.server import SimulatedProvider\n"
        "async def main():\n"
        "    async with SimulatedProvider('') as provider:\n"
        "        client = LitellmClient(TargetOptions(name='t', base_url=provider.base_url, model='simulated-1', api_key='none'), 'openai')\n"
        "        await client.start()\n"
        "        before = set(sys.modules)\n"
        "        body = {'model': 'simulated-1', 'messages': [{'role': 'user', 'content': 'hi'}]}\n"
        "        reply = await client.complete(ModelRequest(body, b''))\n"
        "        await client.close()\n"
        "        print(reply.body['choices'][0]['message']['content'], len(set(sys.modules) - before) < 20)\n"
        "asyncio.run(main())\n"
    )
    assert _run(script) == "hi True"
