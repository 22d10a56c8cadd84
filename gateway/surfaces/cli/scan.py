"""``gateway scan``: what redaction would find in a text. Categories and places only, never a value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click
import orjson

from gateway.capabilities.findings.options import ScanOptions, ScanOptionsError
from gateway.capabilities.findings.scanner import Scanner
from gateway.domain import Finding
from gateway.settings import parts_of
from gateway.surfaces.cli.config_file import Refusal, config_option, refusing


@click.command(name="scan")
@click.argument("source", metavar="FILE|-", type=click.File("rb"))
@click.option("--jsonl", is_flag=True, help='Take a line of {"id", "text"} each, print a line of {"id", "findings": [{"category", "start", "end"}]} each.')
@click.option("--tenant", default=None, help="Scan with this tenant's patterns, words and categories, as the config has them.")
@config_option
def command(source: IO[bytes], jsonl: bool, tenant: str | None, config: Path) -> None:
    """Print what redaction would find in FILE, or in standard input: category, start and end in code points, never the value."""
    scanner = _scanner(tenant, config)
    if not jsonl:
        for found in scanner.scan(_text(source.read(), _name(source))):
            click.echo(f"{found.category}\t{found.start}\t{found.end}")
        return
    for line_id, text in _rows(source):
        line = {"id": line_id, "findings": [_shown(found) for found in scanner.scan(text)]}
        click.echo(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE), nl=False)


def _shown(found: Finding) -> dict[str, str | int]:
    return {"category": found.category, "start": found.start, "end": found.end}


def _scanner(tenant: str | None, config: Path) -> Scanner:
    if tenant is None:
        return Scanner()
    known = refusing(parts_of, config).redaction
    if tenant not in known:
        raise Refusal(f"{config}: there is no tenant {tenant!r}; it has {', '.join(sorted(known)) or 'none'}")
    options = known[tenant]
    try:
        return Scanner(
            ScanOptions(
                patterns=options.patterns,
                words={name: tuple(words) for name, words in options.words.items()},
                enable=frozenset(options.enable),
                countries=frozenset(options.countries),
            )
        )
    except ScanOptionsError as error:
        raise Refusal(f"{config}: tenants.{tenant}.{error}") from None


def _text(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(f"{where}: not UTF-8 at byte {error.start}") from None


def _rows(source: IO[bytes]) -> Iterator[tuple[object, str]]:
    """The id and text of each line; empty lines are passed over."""
    for number, line in enumerate(source, start=1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise Refusal(f"{_name(source)}:{number}: not JSON: {error}") from None
        if not isinstance(row, dict) or not isinstance(row.get("text"), str) or "id" not in row:
            raise Refusal(f'{_name(source)}:{number}: needs an object with "id" and a string "text"')
        yield row["id"], row["text"]


def _name(source: IO[bytes]) -> str:
    return str(getattr(source, "name", "<stdin>"))
