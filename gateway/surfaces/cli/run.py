"""``gateway run``: serve until told to stop, then finish what runs, within a limit."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.app import ListenError, serve
from gateway.capabilities.findings.options import ScanOptionsError
from gateway.capabilities.policy.problems import PolicyError
from gateway.errors import GatewayError
from gateway.infrastructure.database import DatabaseError
from gateway.infrastructure.model_client import ProviderError
from gateway.surfaces.cli.check import compile_all
from gateway.surfaces.cli.config_file import Refusal, config_option, load_settings


@click.command()
@config_option
def command(config: Path) -> None:
    """Serve the gateway that the config describes, until a signal says stop."""
    settings = load_settings(config)
    try:
        serve(settings)
    except (PolicyError, ScanOptionsError) as error:
        compile_all(config, online=True)  # says it all at once, with file and line
        raise Refusal(str(error)) from error
    except (DatabaseError, GatewayError, ListenError, ProviderError) as error:
        raise Refusal(f"the gateway cannot start: {error}") from error
