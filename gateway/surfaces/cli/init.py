"""``gateway init``: makes the local secret files that the config refers to and that do not exist yet. It never overwrites one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from gateway.settings import SecretReference, dotted, secrets_of
from gateway.surfaces.cli.config_file import Refusal, config_option, refusing

SECRET_BYTES = 32
"""As hexadecimal: enough for a key of HMAC-SHA256 and exactly an Ed25519 seed."""


@click.command()
@config_option
def command(config: Path) -> None:
    """Make the local secrets that the config refers to, where they are missing."""
    folder = config.parent.resolve()
    for reference in {reference.reference: reference for reference in refusing(secrets_of, config)}.values():
        line = _make(reference, folder)
        if line:
            click.echo(line)


def _make(reference: SecretReference, folder: Path) -> str:
    """Make one secret file if it is missing and ours to make; what to tell about it, if anything."""
    name = reference.reference.removeprefix("file:")
    path = (folder / name).resolve()
    if name == reference.reference or path.exists():
        return ""
    if reference.target is not None:
        return f"missing  {name}: put the API key of target {reference.target} there"
    if not reference.local:
        return f"missing  {name}: put the value of {dotted(reference.where)} there"
    if not path.is_relative_to(folder):
        return f"missing  {name}: outside the config's folder, so it is yours to make"
    try:
        made = _write(path, folder)
    except OSError as error:
        raise Refusal(f"{path}: cannot be made: {error.strerror}") from None
    told = "; give it to the webhook's receiver too" if made and reference.where[0] == "queues" else ""
    return f"made     {name}{told}" if made else ""


def _write(path: Path, folder: Path) -> bool:
    """Draw a secret into ``path``: whole or not at all, and not if another process was first."""
    for parent in reversed([parent for parent in path.parents if parent.is_relative_to(folder)]):
        parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True
