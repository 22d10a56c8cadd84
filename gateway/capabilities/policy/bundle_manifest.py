"""The ``.manifest`` of a bundle: the revision that its author gave it, and the roots outside of which it must not say anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.capabilities.policy.data_document import read_json
from gateway.capabilities.policy.problems import Problem

MANIFEST: Final = ".manifest"
MAX_ROOTS: Final = 100
MAX_LABEL_CHARS: Final = 200
"""Of a revision: it stands on records and in answers of ``/readyz``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What of a manifest matters here; ``metadata`` and what is not known is passed over, as OPA does."""

    revision: str = ""
    """The author's own name for this state, such as a tag or a commit; empty where there is none."""
    roots: tuple[str, ...] = ("",)
    """Paths below ``data``, such as ``gateway/intent``; the empty one is all of it, and the default."""


def read_manifest(text: str, problems: list[Problem]) -> Manifest:
    """The manifest that ``text`` holds; what is wrong with it is appended to ``problems``."""
    found = read_json(MANIFEST, text, problems)
    if found.get("wasm"):
        problems.append(Problem(MANIFEST, 0, 0, "the bundle decides by WebAssembly", "build it with the target rego"))
    versions = found.get("file_rego_versions")
    if 0 in (found.get("rego_version"), *(versions.values() if isinstance(versions, dict) else ())):
        problems.append(Problem(MANIFEST, 0, 0, "the bundle is written in Rego v0", "write it in v1: opa fmt --v0-v1"))
    return Manifest(revision=_revision(found.get("revision", ""), problems), roots=_roots(found.get("roots"), problems))


def _revision(revision: Any, problems: list[Problem]) -> str:
    if not isinstance(revision, str) or len(revision) > MAX_LABEL_CHARS or not revision.isprintable():
        problems.append(Problem(MANIFEST, 0, 0, f"revision must be a text of at most {MAX_LABEL_CHARS} characters", "name it with --revision"))
        return ""
    return revision


def _roots(roots: Any, problems: list[Problem]) -> tuple[str, ...]:
    if roots is None:
        return ("",)
    if not (isinstance(roots, list) and len(roots) <= MAX_ROOTS and all(isinstance(root, str) for root in roots)):
        problems.append(Problem(MANIFEST, 0, 0, f"roots must be a list of paths, at most {MAX_ROOTS}", 'such as ["gateway"]'))
        return ()
    cleaned = tuple(root.strip("/") for root in roots)
    if any(_within(one.split("/"), other) for number, one in enumerate(cleaned) for other in (*cleaned[:number], *cleaned[number + 1 :])):
        problems.append(Problem(MANIFEST, 0, 0, "one of the roots lies within another", "name the outer one alone"))
    return cleaned


def outside(roots: Iterable[str], packages: Iterable[tuple[str, tuple[str, ...]]], data: Mapping[str, Any]) -> Iterator[Problem]:
    """What lies outside of the roots: packages (file and path below ``data``) and entries of the data document."""
    allowed = tuple(roots)
    if "" in allowed:
        return
    for file, package in packages:
        if not any(_within(package, root) for root in allowed):
            yield Problem(file, 1, 1, f"package {'.'.join(package)} lies outside of the bundle's roots", "move it, or add it to the roots")
    for path in _leaves(data, allowed):
        yield Problem("data", 0, 0, f"data.{'.'.join(path)} lies outside of the bundle's roots", "move it, or add it to the roots")


def _within(path: Iterable[str], root: str) -> bool:
    parts = tuple(root.split("/")) if root else ()
    return tuple(path)[: len(parts)] == parts


def _leaves(data: Mapping[str, Any], roots: tuple[str, ...], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The highest entries that no root covers; where a root lies deeper, its siblings are looked at."""
    for name, value in data.items():
        path = (*above, name)
        if any(_within(path, root) for root in roots):
            continue
        if isinstance(value, Mapping) and any(tuple(root.split("/"))[: len(path)] == path for root in roots):
            yield from _leaves(value, roots, path)
        else:
            yield path
