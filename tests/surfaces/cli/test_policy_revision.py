"""``gateway policy revision`` prints what stands on decisions."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from gateway.capabilities.policy.bundle import load_bundle
from gateway.surfaces.cli.policy import command

EXAMPLES = Path(__file__).parents[3] / "policies"


def test_the_whole_revision_and_nothing_else_is_printed() -> None:
    result = CliRunner().invoke(command, ["revision", "--policies", str(EXAMPLES)])
    assert (result.exit_code, result.output) == (0, f"{load_bundle(EXAMPLES).revision}\n")


def test_a_folder_that_is_missing_is_a_refusal(tmp_path: Path) -> None:
    assert CliRunner().invoke(command, ["revision", "--policies", str(tmp_path / "none")]).exit_code == 2
