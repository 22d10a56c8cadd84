"""What the commands on the database share: the tenant, times, the opened database, and its failures as clear lines."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import get_close_matches

import click

from gateway.capabilities.records.heads import HeadsError
from gateway.errors import GatewayError
from gateway.infrastructure.database import Database, DatabaseError
from gateway.settings import Settings
from gateway.surfaces.cli.config_file import Refusal

tenant_option = click.option("--tenant", required=True, help="Whose: a tenant of the config.")

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]{1,6})([smhdw])\Z")


def open_database(settings: Settings, tenant: str) -> Database:
    """The config's database, at the current schema, for commands beside the serving process.

    Raises:
        Refusal: The config has no such tenant.
        DatabaseError: The database cannot be used.
    """
    if tenant not in settings.tenants:
        near = get_close_matches(tenant, settings.tenants, 1) or sorted(settings.tenants)
        raise Refusal(f"--tenant {tenant}: {settings.path} has no such tenant; did you mean {', '.join(near)}?")
    database = Database(settings.database, durability=settings.records.durability)
    database.prepare()
    return database


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """Failures of the database and things that are not there as one line on stderr, exit code 2."""
    try:
        yield
    except GatewayError as error:
        raise Refusal(error.message) from None
    except HeadsError as error:
        raise Refusal(str(error)) from None
    except DatabaseError as error:
        raise Refusal(f"the database cannot be used: {error}") from None
    except OSError as error:
        raise Refusal(f"{error.filename or 'file'}: {error.strerror}") from None


def duration_ns(text: str) -> int:
    """Nanoseconds of ``30d``, ``12h``, ``45m``, ``90s`` or ``2w``.

    Raises:
        ValueError: It is none of these.
    """
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration; write a number and s, m, h, d or w, such as 30d")
    return int(match[1]) * _UNITS_S[match[2]] * 1_000_000_000


def moment_ns(text: str) -> int:
    """Nanoseconds since the epoch of an ISO 8601 date or time (UTC unless it says otherwise), or of a duration ago.

    Raises:
        ValueError: It is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return time.time_ns() - duration_ns(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000_000)


def clock(at_ns: int | None) -> str:
    """A time as people read it, to the second, UTC; ``-`` for none."""
    return "-" if at_ns is None else datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
