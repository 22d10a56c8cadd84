"""``gateway tasks``: what waits for people, and what they decide, by asking a running gateway over HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final, TypeVar
from urllib.parse import quote, urlencode

import click
import orjson

from gateway.domain import Json
from gateway.domain_tasks import Action, TaskState
from gateway.infrastructure.gateway_client import GatewayCallError, GatewayClient
from gateway.settings import Parts, parts_of
from gateway.surfaces.cli.config_file import Refusal, config_option, refusing
from gateway.surfaces.cli.ledger_options import duration_ns
from gateway.surfaces.cli.task_words import drawn, plain, row_of

KEY: Final = "GATEWAY_KEY"
URL: Final = "GATEWAY_URL"
_HERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is written where a gateway listens on every address, and where it is found then
_LISTEN: Final = "127.0.0.1:8080"
_MAX_TEXT_BYTES: Final = 16 << 20
C = TypeVar("C", bound=Callable[..., Any])


def reaching(command: C) -> C:
    """The options of a command that asks a gateway."""
    for option in (
        config_option,
        click.option("--url", envvar=URL, help=f"Where the gateway is, such as https://gateway.example.com; or {URL}. By default where the config listens."),
        click.option("--json", "as_json", is_flag=True, help="What the API answers, one JSON object a line."),
    ):
        command = option(command)
    return command


@click.group()
def command() -> None:
    """Decide what waits for a person. The key of a reviewer is read from GATEWAY_KEY."""


@command.command("list")
@click.option("--state", "states", type=click.Choice([state.value for state in TaskState]), multiple=True, help="By default open and claimed. May be repeated.")
@click.option("--queue", "queues", multiple=True, help="Only tasks of this queue; may be repeated.")
@click.option("--due-before", help="Only what is due before this: an RFC 3339 time, or a duration from now such as 30m.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--cursor", help="Go on behind this: what the last page printed.")
@reaching
def list_tasks(config: Path, url: str | None, *, as_json: bool, **options: Any) -> None:
    """List tasks, those that are due first at the top."""
    query = {"state": ",".join(options["states"]), "queue": ",".join(options["queues"]), "limit": options["limit"], "cursor": options["cursor"]}
    query["due_before"] = _moment(options["due_before"]) if options["due_before"] else None
    page = _ask((config, url), "GET", "/v1/tasks?" + urlencode({name: value for name, value in query.items() if value}))
    now = datetime.now(UTC)
    for task in page["data"]:
        click.echo(orjson.dumps(task) if as_json else row_of(task, now))
    if page["cursor"]:
        click.echo(f"more: --cursor {page['cursor']}", err=True)
    elif not page["data"] and not as_json:
        click.echo("no such tasks", err=True)


@command.command()
@click.argument("task_id", metavar="ID")
@reaching
def show(config: Path, url: str | None, task_id: str, *, as_json: bool) -> None:
    """Show a task: what is asked and why, as much as policy reveals to people, and its history."""
    task = _ask((config, url), "GET", _path(task_id))
    click.echo(orjson.dumps(task) if as_json else "\n".join(drawn(task, datetime.now(UTC))))


@command.command()
@click.argument("task_id", metavar="ID")
@reaching
def claim(config: Path, url: str | None, task_id: str, *, as_json: bool) -> None:
    """Work on a task, so that nobody else decides it; again to go on."""
    task = _ask((config, url), "POST", _path(task_id, "claim"))
    _tell(task, f"{task['id']} is yours until {task['claimed_until'][:19]}Z", as_json=as_json)


@command.command()
@click.argument("task_id", metavar="ID")
@reaching
def release(config: Path, url: str | None, task_id: str, *, as_json: bool) -> None:
    """Let others decide a task that you hold."""
    task = _ask((config, url), "POST", _path(task_id, "release"))
    _tell(task, f"{task['id']} is open", as_json=as_json)


@command.command()
@click.argument("task_id", metavar="ID")
@click.option("--accept", is_flag=True, help="The call may go, or the draft may leave.")
@click.option("--refuse", is_flag=True, help="It may not.")
@click.option("--edit", "edits", type=click.File("rb"), multiple=True, metavar="FILE|-", help="This text in the draft's place; one for each choice.")
@click.option("--answer", "answers", type=click.File("rb"), multiple=True, metavar="FILE|-", help="This text is the answer; one for each choice.")
@click.option("--comment", help="For the record.")
@click.option(
    "--version",
    type=click.IntRange(1),
    help="Only if the task is still in this version, as `show` told. Needed to --accept a draft that several people judge: another may have changed it.",
)
@reaching
def decide(config: Path, url: str | None, task_id: str, *, as_json: bool, **options: Any) -> None:
    """Decide a task."""
    body = _decision(**{name: options[name] for name in ("accept", "refuse", "edits", "answers")})
    body |= {name: options[name] for name in ("comment", "version") if options[name] is not None}
    task = _ask((config, url), "POST", _path(task_id, "decide"), body)
    waiting = f", and has {len(task['approvals'])} of {task['min_approvers']} approvals" if task["actions"] else ""
    _tell(task, f"{task['id']} is {task['state']}{waiting}", as_json=as_json)


@command.command()
@click.argument("task_id", metavar="ID")
@reaching
def withdraw(config: Path, url: str | None, task_id: str, *, as_json: bool) -> None:
    """Take back your approval of a task, while others still have to give theirs."""
    task = _ask((config, url), "POST", _path(task_id, "withdraw"))
    _tell(task, f"{task['id']}: your approval is withdrawn, {len(task['approvals'])} of {task['min_approvers']} stand", as_json=as_json)


def _tell(task: Json, words: str, *, as_json: bool) -> None:
    click.echo(orjson.dumps(task) if as_json else words)


def _decision(*, accept: bool, refuse: bool, edits: Sequence[IO[bytes]], answers: Sequence[IO[bytes]]) -> Json:
    chosen = [action for action, given in ((Action.ACCEPT, accept), (Action.REFUSE, refuse), (Action.EDIT, edits), (Action.ANSWER, answers)) if given]
    if len(chosen) != 1:
        raise Refusal("give one of --accept, --refuse, --edit FILE|- and --answer FILE|-")
    texts = [_text(file) for file in (*edits, *answers)]
    return {"action": chosen[0]} | ({"content": texts[0] if len(texts) == 1 else texts} if texts else {})


def _text(file: IO[bytes]) -> str:
    """The whole file, less the line feed that editors put at the end."""
    name = getattr(file, "name", "standard input")
    raw = file.read(_MAX_TEXT_BYTES + 1)
    if len(raw) > _MAX_TEXT_BYTES:
        raise Refusal(f"{name}: is larger than {_MAX_TEXT_BYTES} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(f"{name}: is not UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")


def _moment(text: str) -> str:
    """A duration from now as a time; anything else as it is."""
    try:
        after = timedelta(microseconds=duration_ns(text) // 1_000)
    except ValueError:
        return text
    return (datetime.now(UTC) + after).strftime("%Y-%m-%dT%H:%M:%SZ")


def _path(task_id: str, move: str | None = None) -> str:
    whole = f"/v1/tasks/{quote(task_id, safe='')}"
    return whole if move is None else f"{whole}/{move}"


def _ask(reach: tuple[Path, str | None], method: str, path: str, body: Json | None = None) -> Json:
    """What the gateway answers; its errors as refusals, in its own words."""
    config, url = reach
    key = os.environ.get(KEY, "").strip()
    if not key:
        raise Refusal(f"set {KEY} to the key of a reviewer: gateway keys create --role reviewer makes one")
    url = url or _url_of(refusing(parts_of, config))
    try:
        client = GatewayClient(url, key)
    except ValueError as error:
        raise Refusal(f"--url or {KEY}: {error}") from None
    try:
        return client.call(method, path, body)
    except GatewayCallError as error:
        raise Refusal(plain(str(error))) from None


def _url_of(parts: Parts) -> str:
    """Where the gateway of a config is, seen from its own machine. Nothing else of the config is read: a reviewer has none of its secrets."""
    section = parts.document.data.get("server")
    listen = section.get("listen", _LISTEN) if isinstance(section, dict) else _LISTEN
    host, _, port = str(listen).rpartition(":")
    host = host.strip("[]")
    if not host or port in {"", "0"}:
        raise Refusal(f"{parts.document.file}: server.listen does not say where the gateway is; give --url or set {URL}")
    host = _HERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
