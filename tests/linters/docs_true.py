"""What README.md, ARCHITECTURE.md and docs/ name exists: make targets, commands with their options, files, links and their anchors, config keys."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click

from gateway.configuration.models import FileShape
from gateway.configuration.shape import keys_at

_FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_MAKE = re.compile(r"(?:^|[;&|]\s*)(?:[A-Z_]+=\S+ +)*make +([a-z][a-z-]*)")
_COMMAND = re.compile(r"(?:^|[;&|]\s*)(?:[A-Z_]+=\S+ +)*(?:\.venv/bin/)?gateway +([a-z][^;&|#`\n]*)")
_KEY = re.compile(r"[a-z_]+(?:\.(?:[a-z_]+|[A-Z*]+))+")
_FILE_SUFFIX = re.compile(r"\.(?:py|md|yaml|yml|rego|json|jsonl|toml|txt|db|sh)\Z")
MADE = (".gateway/", "build/", ".venv")
"""Places that exist only after a command has made them."""


def check(root: Path) -> list[str]:
    documents = [path for path in (root / "README.md", root / "ARCHITECTURE.md", *sorted((root / "docs").rglob("*.md"))) if path.exists()]
    return [f"{path.relative_to(root)}: {what}" for path in documents for what in _untrue(root, path)]


def _untrue(root: Path, path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    fenced = [line.strip().removeprefix("$ ") for block in _FENCE.findall(text) for line in block.splitlines()]
    prose = _FENCE.sub("", text)
    inline = _INLINE.findall(prose)
    for line in (*fenced, *inline):
        yield from _make_targets(root, line)
        yield from _commands(line)
    for token in inline:
        yield from _paths(root, token)
        yield from _keys(root, token)
    for link in _LINK.findall(prose):
        yield from _links(path, link)


def _make_targets(root: Path, line: str) -> Iterator[str]:
    makefile = root / "Makefile"
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile.read_text(encoding="utf-8"), re.MULTILINE)) if makefile.exists() else set()
    for target in _MAKE.findall(line):
        if target not in targets:
            yield f"`make {target}` is no target of the Makefile"


def _commands(line: str) -> Iterator[str]:
    for words in (found.split() for found in _COMMAND.findall(line)):
        try:
            module = importlib.import_module(f"gateway.surfaces.cli.{words[0].replace('-', '_')}")
        except ModuleNotFoundError:
            yield f"`gateway {words[0]}` is no command"
            continue
        names = words[1].split("|") if len(words) > 1 and isinstance(module.command, click.Group) else []
        for name in names or [""]:
            yield from _options(module.command, name, words)


def _options(command: click.Command, name: str, words: list[str]) -> Iterator[str]:
    if isinstance(command, click.Group) and name and not name.startswith(("-", "[")) and name.isascii() and name.islower():
        inner = command.get_command(click.Context(command), name)
        if inner is None:
            yield f"`gateway {words[0]} {name}` is no command"
            return
        command = inner
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    for option in (word.strip("[]").partition("=")[0] for word in words):
        if option.startswith("--") and option not in known:
            yield f"`gateway {' '.join(words[:2])}` has no option {option}"


def _paths(root: Path, token: str) -> Iterator[str]:
    first = token.partition("/")[0]
    plain = re.fullmatch(r"[\w./-]+", token) is not None
    if "/" in token and plain and first and (root / first).exists() and not token.startswith(MADE) and not (root / token).exists():
        yield f"`{token}` does not exist"


def _keys(root: Path, token: str) -> Iterator[str]:
    parts = tuple(token.partition(":")[0].split("."))
    if not _KEY.fullmatch(token.partition(":")[0]) or parts[0] not in FileShape.model_fields or _FILE_SUFFIX.search(token):
        return
    for depth, part in enumerate(parts):
        known = keys_at(parts[:depth])
        if known and part not in known:
            if not any(f'"{token}"' in source.read_text(encoding="utf-8") for source in (root / "gateway").rglob("*.py")):
                yield f"`{token}` is neither a config key nor a name in the code"
            return


def _links(path: Path, link: str) -> Iterator[str]:
    target, _, anchor = link.partition("#")
    if re.match(r"[a-z]+:", target):
        return
    file = path.parent / target if target else path
    if not file.exists():
        yield f"links to {link}, which does not exist"
    elif anchor and file.suffix == ".md" and anchor not in _anchors(file.read_text(encoding="utf-8")):
        yield f"links to {link}, which has no such heading"


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ +(.+?) *$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
