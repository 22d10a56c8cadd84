"""The border to the embedded Rego engine: the one importer of ``regorus``.

The engine holds the interpreter's lock, belongs to the thread that made it and has no time limit. So there is one engine per thread here, made from
the sources of one revision; whatever it raises, a Rust panic included, leaves this file as an ``EngineError``; and what could run long is kept out
before (lint, a trial in a child process). Only ``set_input_json`` is used: handing it Python objects can crash the process.

This module imports nothing of the gateway, so that the trial's child process can load it by its path and start in milliseconds.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from typing import Any, Final

import regorus

_PLACE = re.compile(r"--> (?P<file>[^\n]{1,300}?):(?P<line>\d+):(?P<col>\d+)\n")
_MESSAGE = re.compile(r"^error: (?P<message>[^\n]{1,300})", re.MULTILINE)


class EngineError(Exception):
    """The engine could not do what it was asked.

    ``kind`` is ``syntax`` (the source does not compile), ``error`` (evaluation failed) or ``panic`` (a defect of the engine). ``file``, ``line`` and
    ``col`` say where in the source, if known. ``detail`` is the engine's own sentence; it can quote a value of the input, so it is for authors, never
    for callers, logs or records.
    """

    def __init__(self, kind: str, detail: str, *, file: str = "", line: int = 0, col: int = 0) -> None:
        super().__init__(f"policy engine: {kind}")
        self.kind = kind
        self.detail = detail
        self.file = file
        self.line = line
        self.col = col


UNDEFINED: Final = object()
"""What ``evaluate`` gives for a rule without a value; ``None`` is Rego's ``null``."""


class EmbeddedEngine:
    """Evaluates rules of one set of modules and data. May be shared by threads: each has an engine of its own, compiled on its first use."""

    __slots__ = ("_coverage", "_data", "_local", "_modules")

    def __init__(self, modules: Mapping[str, str], data: str, *, coverage: bool = False) -> None:
        """Keep the sources; nothing is compiled yet.

        Args:
            modules: Rego source by file name.
            data: The data document, a JSON object.
            coverage: Whether to note which lines are evaluated; slower, for authors.
        """
        self._modules = dict(modules)
        self._data = data
        self._coverage = coverage
        self._local = threading.local()

    def prepare(self) -> None:
        """Compile for this thread now, so that the first evaluation does not have to.

        Raises:
            EngineError: The sources do not compile.
        """
        self._engine()

    def evaluate(self, rule: str, document: str, *, max_chars: int = 1_048_576) -> Any:
        """The value of a rule such as ``data.gateway.intent.verdict`` for the input ``document`` (JSON), decoded; ``UNDEFINED`` where it has none.

        Raises:
            EngineError: Compilation or evaluation failed, or the value is longer than ``max_chars`` (kind ``size``).
        """
        engine = self._engine()
        try:
            engine.set_input_json(document)
            answer: str = engine.eval_query_as_json(rule)
            size = len(answer)
            result = json.loads(answer).get("result") if size <= max_chars else None
        except BaseException as error:  # noqa: BLE001 - a Rust panic is a BaseException, and its class has no importable name
            self._local.engine = None  # whatever state the failure left behind goes with it
            raise _fault(error, "error") from None
        if size > max_chars:
            raise EngineError("size", f"the value is longer than {max_chars} characters")
        return result[0]["expressions"][0]["value"] if result else UNDEFINED

    def take_prints(self) -> list[str]:
        """What ``print`` said in this thread since the last call. Nothing is ever printed to stderr."""
        prints: list[str] = self._engine().take_prints()
        return prints

    def take_coverage(self) -> dict[str, tuple[list[int], list[int]]]:
        """By file, the lines that this thread has evaluated since the last call, and those that it could have and has not."""
        engine = self._engine()
        try:
            report: dict[str, Any] = json.loads(engine.get_coverage_report_as_json())
            engine.clear_coverage_data()
        except BaseException as error:  # noqa: BLE001 - see evaluate
            raise _fault(error, "error") from None
        return {file["path"]: (sorted(file["covered"]), sorted(file["not_covered"])) for file in report["files"]}

    def ast(self) -> list[dict[str, Any]]:
        """The parsed modules: ``[{"source": {"file", "contents"}, "ast": {"package", "imports", "rules"}}]``.

        Raises:
            EngineError: The sources do not compile.
        """
        engine = self._engine()
        try:
            tree: list[dict[str, Any]] = json.loads(engine.get_ast_as_json())
        except BaseException as error:  # noqa: BLE001 - see evaluate
            raise _fault(error, "error") from None
        return tree

    def _engine(self) -> Any:
        engine = getattr(self._local, "engine", None)
        if engine is None:
            engine = self._local.engine = self._compile()
        return engine

    def _compile(self) -> Any:
        try:
            engine = regorus.Engine()
            engine.set_gather_prints(True)
            if self._coverage:
                engine.set_enable_coverage(True)
            for name, text in self._modules.items():
                engine.add_policy(name, text)
            engine.add_data_json(self._data)
            engine.set_input_json("{}")
            engine.eval_query_as_json("true")  # analyses and schedules the rules, which reports what parsing does not
        except BaseException as error:  # noqa: BLE001 - see evaluate
            raise _fault(error, "syntax") from None
        return engine


def _fault(error: BaseException, kind: str) -> EngineError:
    """Turn what the engine raised into a fault; what is not the engine's (an interrupt from the keyboard) is raised as it is."""
    panic = type(error).__name__ == "PanicException"
    if not panic and not isinstance(error, Exception):
        raise error
    text = str(error)
    place = _PLACE.search(text)
    said = _MESSAGE.search(text)
    detail = said["message"] if said else text.strip().split("\n", 1)[0][:300]
    if place is None:
        return EngineError("panic" if panic else kind, detail)
    return EngineError("panic" if panic else kind, detail, file=place["file"], line=int(place["line"]), col=int(place["col"]))
