"""A policy folder as it is read: Rego modules, their tests and the data document, with the revision that names this content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.capabilities.policy.data_document import merge, read_yaml
from gateway.capabilities.policy.problems import PolicyError, Problem

MAX_FILES = 500
MAX_FILE_BYTES = 1_048_576
"""Bounds of this gateway, far above what people write, far below what would stall a reload."""

_DATA_FILES = frozenset({"data.yaml", "data.yml"})
_MERGED_BY_OPA = frozenset({".json", ".yaml", ".yml"})
_TEST_SUFFIX = "_test.rego"

Signature = tuple[tuple[str, int, int, int], ...]
"""Name, modification time in ns, size in bytes and inode of every file: differs when anything changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The content of one policy folder."""

    path: Path
    modules: Mapping[str, str]
    """Rego source by file name relative to the folder, without tests."""
    tests: Mapping[str, str]
    """The ``*_test.rego`` files."""
    data: Mapping[str, Any]
    """The data document: ``data.yaml`` of the folder; that of a sub-folder stands below the folder's name."""
    revision: str
    """SHA-256 over the names and contents of the modules and data files; tests do not count, for they decide nothing."""

    @property
    def data_json(self) -> str:
        """The data document as JSON text."""
        return orjson.dumps(self.data).decode()


def load_bundle(path: Path) -> Bundle:
    """Read a policy folder.

    Raises:
        PolicyError: The folder cannot be read, or holds what does not belong into a policy; with every problem.
    """
    problems: list[Problem] = []
    texts = _read_all(path, problems)
    data: dict[str, Any] = {}
    for name, text in texts.items():
        if Path(name).name in _DATA_FILES:
            merge(data, Path(name).parent.parts, read_yaml(name, text, problems), name, problems)
    modules = {name: text for name, text in texts.items() if name.endswith(".rego") and not name.endswith(_TEST_SUFFIX)}
    tests = {name: text for name, text in texts.items() if name.endswith(_TEST_SUFFIX)}
    if not modules and not problems:
        problems.append(Problem(str(path), 0, 0, "the folder holds no Rego", "put intent.rego and answer.rego there"))
    if problems:
        raise PolicyError(problems)
    revision = _revision((name, text) for name, text in texts.items() if name not in tests)
    return Bundle(path=path, modules=modules, tests=tests, data=data, revision=revision)


def signature(path: Path) -> Signature:
    """What tells whether the folder changed since; empty where it is gone."""
    found: list[tuple[str, int, int, int]] = []
    for file in _files(path):
        try:
            stat = file.stat()
        except OSError:
            continue
        found.append((str(file), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)


def _files(path: Path) -> list[Path]:
    """Every file of a policy, in a fixed order; hidden files and folders are none."""
    try:
        found = [file for file in path.rglob("*") if file.suffix in _MERGED_BY_OPA | {".rego"} and file.is_file()]
    except OSError:
        return []
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts))


def _read_all(path: Path, problems: list[Problem]) -> dict[str, str]:
    if not path.is_dir():
        problems.append(Problem(str(path), 0, 0, "there is no such policy folder", "create it, or set policy.path"))
        return {}
    files = _files(path)
    if len(files) > MAX_FILES:
        problems.append(Problem(str(path), 0, 0, f"the folder holds more than {MAX_FILES} files", "is this the policy folder?"))
        return {}
    texts: dict[str, str] = {}
    for file in files:
        name = file.relative_to(path).as_posix()
        if file.suffix != ".rego" and file.name not in _DATA_FILES:
            problems.append(Problem(name, 0, 0, "OPA would merge this file into the data", "data stands in data.yaml alone; keep other files elsewhere"))
            continue
        text = _read(file, name, problems)
        if text is not None:
            texts[name] = text
    return texts


def _read(file: Path, name: str, problems: list[Problem]) -> str | None:
    try:
        content = file.read_bytes()
        text = content.decode("utf-8")
    except OSError as error:
        problems.append(Problem(name, 0, 0, "the file cannot be read", error.strerror or "check its permissions"))
        return None
    except UnicodeDecodeError as error:
        problems.append(Problem(name, content.count(b"\n", 0, error.start) + 1, 1, "the file is not UTF-8", "save it as UTF-8"))
        return None
    if len(content) > MAX_FILE_BYTES:
        problems.append(Problem(name, 0, 0, f"the file is larger than {MAX_FILE_BYTES} bytes", "split it"))
        return None
    return text


def _revision(texts: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for name, text in texts:
        for part in (name.encode(), text.encode()):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()
