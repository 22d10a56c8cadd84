"""``gateway policy build``: an OPA bundle of a policy folder, signed if a key is given."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gateway.capabilities.policy.bundle_build import build
from gateway.capabilities.policy.bundle_keys import bundle_signer
from gateway.capabilities.policy.bundle_trust import BundleSigner
from gateway.configuration.secret import UnresolvedError, resolve
from gateway.surfaces.cli.config_file import Refusal
from gateway.surfaces.cli.policy_folder import or_refuse


@click.command(name="build")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("bundle.tar.gz"), show_default=True, help="The bundle to write.")
@click.option("--revision", default="", help="Your own name for this state, such as a tag.  [default: the SHA-256 by which the gateway knows it]")
@click.option("--root", "roots", multiple=True, help="A path below data that the bundle owns, such as gateway; may be given again.  [default: all]")
@click.option("--sign", "key", default=None, help="Sign with this key: file:PATH or env:NAME of a private key (PEM: Ed25519, RSA, EC) or a shared secret.")
def command(folder: Path, output: Path, revision: str, roots: tuple[str, ...], key: str | None) -> None:
    """Make an OPA bundle of FOLDER. The same folder makes the same bytes; one that could not go live makes none."""
    signer = None if key is None else _signer(key)
    built = or_refuse(lambda: build(folder, revision=revision, roots=roots or ("",), signer=signer))
    try:
        output.write_bytes(built.content)
    except OSError as error:
        raise Refusal(f"{output} cannot be written: {error.strerror}") from None
    signed = f", signed with {signer.algorithm}" if signer else ", not signed"
    click.echo(f"{output}: {len(built.bundle.modules)} modules, revision {built.bundle.revision}{f' ({revision})' if revision else ''}{signed}")


def _signer(reference: str) -> BundleSigner:
    whole = reference if reference.startswith(("env:", "file:")) else f"file:{reference}"
    try:
        secret = resolve(whole, Path(), os.environ, bytes)
        if secret is None:
            raise Refusal(f"{whole} is not set")
        return bundle_signer(secret.reveal())
    except UnresolvedError as error:
        raise Refusal(f"{error.what}{f' ({error.hint})' if error.hint else ''}") from None
    except ValueError as error:
        raise Refusal(f"{whole} {error}") from None
