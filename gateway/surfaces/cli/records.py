"""``gateway records``: list, show, verify, export and erase, one tenant at a time."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click
import orjson

from gateway.capabilities.records.erase import Eraser
from gateway.capabilities.records.export import Export, ExportError, export_lines, verify_export
from gateway.capabilities.records.signing import SigningKey, VerifyKey
from gateway.capabilities.records.store import RecordStore
from gateway.capabilities.records.timeline import draw
from gateway.capabilities.records.verify import Report, living_chains, verify_database
from gateway.domain import State
from gateway.settings import Settings
from gateway.surfaces.cli.config_file import Refusal, config_option, load_settings
from gateway.surfaces.cli.ledger_options import clear_errors, clock, moment_ns, open_database, tenant_option

_STATES = [state.value for state in State if state is not State.RECEIVED]

_heads_option = click.option(
    "--heads",
    "also",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Heads of another machine on the same database, besides the config's; may be repeated.",
)


@click.group()
def command() -> None:
    """List, show, verify, export and erase records."""


@command.command("list")
@tenant_option
@click.option("--state", type=click.Choice(_STATES), help="Only intents in this state.")
@click.option("--route", help="Only intents on this route.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True)
@click.option("--cursor", help="Go on below this: what the last page printed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@config_option
def list_records(config: Path, tenant: str, *, as_json: bool, **options: str) -> None:
    """List a tenant's intents, newest first."""
    with clear_errors():
        store = RecordStore(open_database(load_settings(config), tenant))
        page = store.list(tenant, limit=int(options["limit"]), cursor=options["cursor"], state=options["state"], route=options["route"])
    for item in page.items:
        if as_json:
            click.echo(orjson.dumps(item))
        else:
            took = "-" if item["duration_ms"] is None else f"{item['duration_ms']:.1f} ms"
            click.echo(f"{item['id']}  {clock(item['at_ns'])}  {item['state']:<13}  {item['route'] or '-':<16}  {took:>12}  {item['reason'] or ''}".rstrip())
    if page.cursor:
        click.echo(f"more: --cursor {page.cursor}", err=True)


@command.command()
@tenant_option
@click.argument("intent_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Everything, content too, as one JSON object.")
@config_option
def show(config: Path, tenant: str, intent_id: str, *, as_json: bool) -> None:
    """Draw the timeline of one intent."""
    with clear_errors():
        record = RecordStore(open_database(load_settings(config), tenant)).show(tenant, intent_id)
    click.echo(orjson.dumps(record.as_json(), option=orjson.OPT_INDENT_2) if as_json else "\n".join(draw(record)))


@command.command("verify")
@click.option("--tenant", help="Whose: a tenant of the config. An export says it itself.")
@click.option("--export", "export_path", type=click.Path(path_type=Path), help="Verify this export instead of the database; needs no config.")
@click.option("--public-key", help="With --export: the key that you trust, in base64, as `verify` prints it.")
@_heads_option
@config_option
def verify_records(config: Path, tenant: str | None, also: tuple[Path, ...], *, export_path: Path | None, public_key: str | None) -> None:
    """Check a tenant's chains; exit 1 and name every problem if they are not as they were written."""
    if export_path is not None:
        report, key = _verify_export(export_path, tenant, public_key)
    elif tenant is not None and public_key is None:
        report, key = _verify_database(load_settings(config), tenant, also)
    else:
        raise Refusal("give either --tenant, or --export and, to trust no key from the export itself, --public-key")
    for problem in report.problems:
        where = " ".join(part for part in (problem.writer, "" if problem.seq is None else f"#{problem.seq}", problem.intent_id) if part)
        click.echo(f"{where or report.tenant}: {problem.what}".encode("utf-8", "backslashreplace").decode())
    waiting = f" and {report.parked} parked" if report.parked else ""
    counts = f"{report.entries} entries in {report.chains} chains, {report.erased} erased, {report.open} intents open{waiting}"
    counts += f", {report.unsigned} after the last head"
    click.echo(f"tenant {report.tenant}: {'clean' if report.clean else f'{len(report.problems)} problems'}: {counts}; signed by {key.encoded()}")
    if not report.clean:
        sys.exit(1)


def _verify_database(settings: Settings, tenant: str, also: tuple[Path, ...]) -> tuple[Report, VerifyKey]:
    key = _signing_key(settings).verify_key
    _must_be_folders(also)
    with clear_errors():
        database = open_database(settings, tenant)
    return verify_database(database, settings.records.heads, tenant, key, also=also), key


def _must_be_folders(also: tuple[Path, ...]) -> None:
    """A folder that is not there would be taken for one without heads."""
    for folder in also:
        if not folder.is_dir():
            raise Refusal(f"--heads {folder}: there is no such folder")


def _verify_export(path: Path, tenant: str | None, public_key: str | None) -> tuple[Report, VerifyKey]:
    with clear_errors():
        try:
            trusted = VerifyKey.from_text(public_key) if public_key else None
            export = Export.open(path)
        except ValueError as error:
            raise Refusal(f"--public-key: {error}") from None
        except ExportError as error:
            raise Refusal(str(error)) from None
        if tenant is not None and tenant != export.tenant:
            raise Refusal(f"{path} is of tenant {export.tenant}, not of {tenant}")
        if trusted is None:
            click.echo("the key comes from the export itself: this shows that it is consistent, --public-key shows who signed it", err=True)
        return verify_export(export, trusted), trusted or export.public_key


@command.command()
@tenant_option
@click.option("--since", help="Only from this on: an ISO date or time, or a duration ago such as 7d.")
@click.argument("file", metavar="FILE|-")
@_heads_option
@config_option
def export(config: Path, tenant: str, since: str | None, file: str, also: tuple[Path, ...]) -> None:
    """Write a tenant's records, and what verifying them offline takes, as JSON lines."""
    settings = load_settings(config)
    try:
        since_ns = moment_ns(since) if since else None
    except ValueError as error:
        raise Refusal(f"--since: {error}") from None
    key = _signing_key(settings).verify_key
    _must_be_folders(also)
    with clear_errors():
        database = open_database(settings, tenant)
        with living_chains(database, settings.records.heads, tenant, also=also) as (snapshot, heads), _output(file) as out:
            for line in export_lines(snapshot, heads, key, at_ns=time.time_ns(), since_ns=since_ns):
                out.write(line)


@command.command()
@tenant_option
@click.argument("intent_id", metavar="[ID]", required=False)
@click.option("--expired", is_flag=True, help="Everything whose time has come, instead of one intent.")
@config_option
def erase(config: Path, tenant: str, intent_id: str | None, *, expired: bool) -> None:
    """Drop content and salt for good; the record says so, and `verify` stays clean."""
    if expired == (intent_id is not None):
        raise Refusal("give either the ID of an intent or --expired")
    settings = load_settings(config)
    with clear_errors():
        database = open_database(settings, tenant)
        eraser = Eraser(database, heads=settings.records.heads, key=_signing_key(settings), durability=settings.records.durability)
        done = eraser.intent(tenant, intent_id) if intent_id else eraser.expired(tenant)
    click.echo(f"erased the content of {done.intents} intents ({done.entries} entries)")
    if not done.wiped:
        raise Refusal("somebody still reads an older state of the database, which may hold erased bytes until then: run this again in a while")


def _signing_key(settings: Settings) -> SigningKey:
    return SigningKey(settings.keys.record_signing.reveal())


@contextlib.contextmanager
def _output(file: str) -> Iterator[BinaryIO]:
    """Standard output, or a file that only its owner can read and that appears when it is complete."""
    if file == "-":
        yield sys.stdout.buffer
        return
    path = Path(file)
    draft = path.with_name(path.name + ".part")
    draft.touch(mode=0o600)
    with draft.open("wb") as out:
        yield out
    draft.replace(path)
