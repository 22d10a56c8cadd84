"""The embedded engine in a process of its own: for a policy that must not cost this process anything but the asking.

The engine holds the interpreter's lock while it evaluates, and cannot be interrupted. Over there it holds the lock of another interpreter, at a low
priority and within a limit of memory, and whoever takes too long is killed.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.infrastructure import policy_engine_embedded
from gateway.infrastructure.policy_engine_embedded import UNDEFINED, EngineError

MEMORY_BYTES: Final = 1 << 30
"""Address space of the child: Python and the engine take about 50 MB."""
START_S: Final = 10.0
"""For the first answer of a child, which has to start and compile."""
_CHILD: Final = Path(__file__).with_name("policy_engine_process_child.py")
_CHUNK: Final = 65_536


class ProcessEngine:
    """Evaluates rules of one set of modules and data in a child process, which is started when it is needed. ``evaluate`` belongs to one thread."""

    def __init__(self, modules: Mapping[str, str], data: str, *, limit_s: float, memory_bytes: int = MEMORY_BYTES) -> None:
        """Keep the sources; an evaluation that takes longer than ``limit_s`` ends its child, and the next one has a new child."""
        self._order = orjson.dumps({"modules": modules, "data": data, "memory_bytes": memory_bytes}) + b"\n"
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._fresh = True
        self._closed = False

    def prepare(self) -> None:
        """Start the child and have it compile, so that the first evaluation does not wait for it. Blocks for some 100 ms.

        Raises:
            EngineError: It does not start, or the sources do not compile.
        """
        self.evaluate("true", "{}")

    def evaluate(self, rule: str, document: str, *, max_chars: int = 1_048_576) -> Any:
        """As ``EmbeddedEngine.evaluate``. Blocks without the interpreter's lock.

        Raises:
            EngineError: It failed; of kind ``timeout`` where it took too long, and ``panic`` where the child ended.
        """
        deadline = time.monotonic() + self._limit_s
        try:
            connection = self._child()
            if self._fresh:
                deadline += START_S
            said = _ask(connection, orjson.dumps({"rule": rule, "input": document, "max_chars": max_chars}) + b"\n", deadline)
        except TimeoutError:
            self._end()
            raise EngineError("timeout", f"it took longer than {self._limit_s:g} s") from None
        except OSError as error:
            self._end()
            raise EngineError("panic", error.strerror or "the engine's process ended") from None
        self._fresh = False
        if "fault" in said:
            fault = said["fault"]
            raise EngineError(fault["kind"], "", file=fault["file"], line=fault["line"], col=fault["col"])
        return said.get("value", None if "value" in said else UNDEFINED)

    def close(self) -> None:
        """End the child for good, whatever it does. For any thread."""
        self._closed = True
        self._end()

    def _child(self) -> socket.socket:
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError
            if self._socket is None:
                mine, theirs = socket.socketpair()
                with theirs:
                    end = theirs.fileno()
                    self._process = subprocess.Popen(_command(), stdin=end, stdout=end, stderr=subprocess.DEVNULL, env={}, process_group=0)  # noqa: S603 - our own interpreter and file
                self._socket, self._fresh = mine, True
                mine.settimeout(START_S)
                mine.sendall(self._order)
            return self._socket

    def _end(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
            if self._socket is not None:
                self._socket.close()
            self._process = self._socket = None


def _ask(connection: socket.socket, question: bytes, deadline: float) -> dict[str, Any]:
    """The answer to a question.

    Raises:
        OSError: There is none: ``TimeoutError`` where it is too late.
    """
    _wait_until(connection, deadline)
    connection.sendall(question)
    said = bytearray()
    while not said.endswith(b"\n"):
        _wait_until(connection, deadline)
        part = connection.recv(_CHUNK)
        if not part:
            raise ConnectionResetError
        said += part
    answer: dict[str, Any] = orjson.loads(said)
    return answer


def _wait_until(connection: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)


def _command() -> list[str]:
    spec = find_spec("regorus")
    packages = Path(str(spec.origin)).parent.parent if spec else Path()
    return [sys.executable, "-I", "-S", "-X", "utf8", str(_CHILD), str(packages), str(policy_engine_embedded.__file__)]
