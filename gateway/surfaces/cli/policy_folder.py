"""What the commands of ``gateway policy`` share: which folder is meant, and problems of a policy as clear lines with exit code 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from gateway.capabilities.policy.problems import PolicyError
from gateway.settings import parts_of
from gateway.surfaces.cli.config_file import Refusal, refusing

T = TypeVar("T")
policies_option = click.option(
    "--policies", type=click.Path(path_type=Path), default=None, help="The folder of the policy.  [default: the one of the config, else policies]"
)


def policy_folder(policies: Path | None, config: Path) -> Path:
    """The folder that an option names, else that of the config, else ``policies``."""
    if policies is not None:
        return policies
    return refusing(parts_of, config).policy if config.exists() else Path("policies")  # an author needs none of the config's secrets


def or_refuse(do: Callable[[], T]) -> T:
    """What ``do`` returns; the problems of a policy as a refusal."""
    try:
        return do()
    except PolicyError as error:
        raise Refusal(str(error)) from None
