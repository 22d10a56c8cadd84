from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.bundle_keys import bundle_key
from gateway.surfaces.cli.policy_build import command

EXAMPLES = Path(__file__).parents[3] / "policies"


def run(*arguments: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], env=env)


def test_a_folder_becomes_a_bundle_with_its_own_revision(tmp_path: Path) -> None:
    one, other = tmp_path / "1.tar.gz", tmp_path / "2.tar.gz"
    result = run(EXAMPLES, "-o", one, "--revision", "v1")
    assert result.exit_code == 0, result.output
    assert "(v1), not signed" in result.output
    assert run(EXAMPLES, "-o", other, "--revision", "v1").exit_code == 0
    assert one.read_bytes() == other.read_bytes()
    assert load_bundle(one).revision == load_bundle(EXAMPLES).revision


def test_a_key_by_reference_signs_it(tmp_path: Path) -> None:
    secret = "0123456789abcdef"
    result = run(EXAMPLES, "-o", tmp_path / "b.tar.gz", "--sign", "env:KEY", env={"KEY": secret})
    assert "signed with HS256" in result.output
    assert secret not in result.output
    assert load_bundle(tmp_path / "b.tar.gz", bundle_key(secret.encode())).signed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "there is no such policy folder"),
        ([EXAMPLES, "--root", "gateway"], "outside of the bundle's roots"),
        ([EXAMPLES, "--sign", "env:NOT_SET_HERE"], "is not set"),
        ([EXAMPLES, "--sign", "env:SHORT"], "less than 16 bytes"),
        ([EXAMPLES, "--sign", "nowhere.pem"], "does not exist"),
        ([EXAMPLES, "-o", "no/such/folder/bundle.tar.gz"], "cannot be written"),
    ],
)
def test_what_cannot_be_built_is_said_and_writes_nothing(arguments: list[object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, env={"SHORT": "short"})
    assert result.exit_code == 2
    assert said in result.output
    assert list(tmp_path.iterdir()) == []
