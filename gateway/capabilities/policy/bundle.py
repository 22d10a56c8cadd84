"""A policy as it is read, from a folder or from an OPA bundle: Rego modules, their tests and the data document, with the revision that names this content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from gateway.capabilities.policy.bundle_archive import MAX_ARCHIVE_BYTES, unpack
from gateway.capabilities.policy.bundle_manifest import MANIFEST, Manifest, read_manifest
from gateway.capabilities.policy.bundle_signature import SIGNATURES, verify
from gateway.capabilities.policy.bundle_trust import BundleKey
from gateway.capabilities.policy.data_document import merge, read_json, read_yaml
from gateway.capabilities.policy.problems import PolicyError, Problem

MAX_FILES = 500
MAX_FILE_BYTES = 1_048_576
"""Bounds of this gateway, far above what people write, far below what would stall a reload."""

_DATA_FILES = frozenset({"data.yaml", "data.yml"})
_MERGED_BY_OPA = frozenset({".json", ".yaml", ".yml"})
_OTHER_FORMS = frozenset({"policy.wasm", "plan.json", "patch.json"})
"""By their names OPA knows bundles that decide by something else than Rego, or that change what was there before."""
_TEST_SUFFIX = "_test.rego"

Signature = tuple[tuple[str, int, int, int], ...]
"""Name, modification time in ns, size in bytes and inode of every file: differs when anything changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The content of one policy folder or bundle."""

    path: Path
    """Where it was read, the URL of a server as a path; for messages."""
    modules: Mapping[str, str]
    """Rego source by file name relative to the folder, without tests."""
    tests: Mapping[str, str]
    """The ``*_test.rego`` files."""
    data: Mapping[str, Any]
    """The data document: ``data.yaml`` of the folder; that of a sub-folder stands below the folder's name."""
    revision: str
    """SHA-256 over the names and contents of the modules and data files; tests and the manifest do not count, for they decide nothing."""
    manifest: Manifest = field(default_factory=Manifest)
    """The author's own name for the revision, and the roots. A folder has none."""
    signed: str = ""
    """How the signature was checked, such as ``EdDSA, Ed25519 key 0123456789abcdef``; empty where none was."""

    @property
    def data_json(self) -> str:
        """The data document as JSON text."""
        return orjson.dumps(self.data).decode()


def load_bundle(path: Path, key: BundleKey | None = None) -> Bundle:
    """Read a policy folder, or the OPA bundle that is the file ``path``. With a ``key`` only a bundle that was signed with it is taken.

    Raises:
        PolicyError: It cannot be read, is not signed as it has to be, or holds what does not belong into a policy; with every problem.
    """
    if path.is_file():
        return read_bundle(_read_archive(path), path, key)
    if key is not None and path.is_dir():
        raise PolicyError([Problem(str(path), 0, 0, "a folder has no signature, and policy.bundle_key asks for one", "gateway policy build --sign")])
    problems: list[Problem] = []
    texts = _read_all(path, problems)
    return _bundle(texts, path, problems)


def read_bundle(content: bytes, path: Path | str, key: BundleKey | None = None) -> Bundle:
    """Read an OPA bundle (``.tar.gz``) from its bytes. ``path`` says where they came from: a path or a URL.

    Raises:
        PolicyError: As ``load_bundle``.
    """
    files = unpack(content, str(path))
    signed = verify(files, key, str(path)) if key is not None else ""
    problems: list[Problem] = []
    texts = {name: text for name in files if _counts(name, problems) and (text := _decoded(name, files[name], problems)) is not None}
    if len(texts) > MAX_FILES:
        problems.append(Problem(str(path), 0, 0, f"the bundle holds more than {MAX_FILES} files of a policy", "is this the policy?"))
    manifest = read_manifest(texts.pop(MANIFEST), problems) if MANIFEST in texts else Manifest()
    return _bundle(texts, path, problems, manifest=manifest, signed=signed)


def folder_files(path: Path) -> dict[str, bytes]:
    """The files of a policy folder by name, as they stand.

    Raises:
        PolicyError: It cannot be read, or holds what does not belong into a policy.
    """
    problems: list[Problem] = []
    texts = _read_all(path, problems)
    if problems:
        raise PolicyError(problems)
    return {name: text.encode() for name, text in texts.items()}


def signature(path: Path) -> Signature:
    """What tells whether the folder, or the one file that ``path`` is, changed since; empty where it is gone."""
    found: list[tuple[str, int, int, int]] = []
    for file in [path] if path.is_file() else _files(path):
        try:
            stat = file.stat()
        except OSError:
            continue
        found.append((str(file), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)


def _bundle(texts: Mapping[str, str], path: Path | str, problems: list[Problem], *, manifest: Manifest | None = None, signed: str = "") -> Bundle:
    """What the files of a policy come to, by name."""
    data = _data(texts, problems)
    tests = {name: text for name, text in texts.items() if name.endswith(_TEST_SUFFIX)}
    modules = {name: text for name, text in texts.items() if name.endswith(".rego") and name not in tests}
    if not modules and not problems:
        what = "the folder holds no Rego" if manifest is None else "the bundle holds no Rego"
        problems.append(Problem(str(path), 0, 0, what, "put intent.rego and answer.rego there"))
    if problems:
        raise PolicyError(problems)
    revision = _revision((name, text) for name, text in texts.items() if name not in tests)
    return Bundle(path=Path(path), modules=modules, tests=tests, data=data, revision=revision, manifest=manifest or Manifest(), signed=signed)


def _data(texts: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    """The data document of all data files."""
    data: dict[str, Any] = {}
    for name, text in texts.items():
        if not name.endswith(".rego"):
            read = read_json if name.endswith(".json") else read_yaml
            merge(data, PurePosixPath(name).parent.parts, read(name, text, problems), name, problems)
    return data


def _counts(name: str, problems: list[Problem]) -> bool:
    """Whether a file of a bundle is part of the policy. As in a folder, data stands in data files alone."""
    last = PurePosixPath(name).name
    if name in {MANIFEST, SIGNATURES}:
        return name == MANIFEST
    if last in _OTHER_FORMS:
        problems.append(Problem(name, 0, 0, "the bundle is none of Rego and data", "build it with `opa build --target rego`"))
        return False
    suffix = PurePosixPath(name).suffix
    if suffix in _MERGED_BY_OPA and last != "data.json" and last not in _DATA_FILES:
        problems.append(Problem(name, 0, 0, "OPA passes this file over in a bundle", "data stands in data.json or data.yaml; keep other files elsewhere"))
        return False
    return suffix in _MERGED_BY_OPA | {".rego"}


def _read_archive(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_ARCHIVE_BYTES + 1)
    except OSError as error:
        raise PolicyError([Problem(str(path), 0, 0, "the bundle cannot be read", error.strerror or "check its permissions")]) from None


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
    except OSError as error:
        problems.append(Problem(name, 0, 0, "the file cannot be read", error.strerror or "check its permissions"))
        return None
    return _decoded(name, content, problems)


def _decoded(name: str, content: bytes, problems: list[Problem]) -> str | None:
    try:
        text = content.decode("utf-8")
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
