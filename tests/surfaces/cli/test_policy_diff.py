from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from gateway.capabilities.policy.bundle_build import build
from gateway.capabilities.policy.bundle_keep import Keep
from gateway.surfaces.cli.policy_diff import command
from gateway.testing import ALLOW_ALL, ENV, config_text


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], env=ENV)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two policies of which the second refuses a team, and reads what is asked."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        for file, text in ALLOW_ALL.items():
            (tmp_path / name / file).write_text(text)
        (tmp_path / name / "data.yaml").write_text(f"limits: {{acme: {10 if name == 'old' else 20}}}\n")
    refusal = 'package gateway.intent\n\nverdict := {"outcome": "deny"} if input.request.messages[0].role == "tool"\n'
    (tmp_path / "new" / "more.rego").write_text(refusal)
    return tmp_path / "old", tmp_path / "new"


def test_rules_data_and_what_is_read_are_shown_and_the_exit_code_says_that_something_changed(folders: tuple[Path, Path]) -> None:
    result = run(*folders)
    assert result.exit_code == 1
    assert "~ rule gateway.intent.verdict  more.rego:3" in result.output
    assert "~ data.limits.acme: 10 -> 20" in result.output
    assert "+ intent reads input.request.messages" in result.output
    assert "! verdicts of intent are not remembered any more" in result.output


def test_as_json_it_says_the_same(folders: tuple[Path, Path]) -> None:
    told = orjson.loads(run(*folders, "--json").stdout)
    assert told["changed"]
    assert told["rules"] == [{"kind": "changed", "rule": "gateway.intent.verdict", "before": [], "after": ["more.rego:3"]}]
    assert told["data"] == [{"kind": "changed", "path": "data.limits.acme", "before": 10, "after": 20}]


def test_a_folder_and_its_bundle_do_not_differ(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "b.tar.gz").write_bytes(build(folders[0], revision="v1").content)
    result = run(folders[0], tmp_path / "b.tar.gz")
    assert result.exit_code == 0
    assert "(v1)" in result.output
    assert "nothing changed" in result.output


def test_live_and_kept_are_what_the_config_says(folders: tuple[Path, Path], tmp_path: Path) -> None:
    text = config_text("http://127.0.0.1:9/v1", folders[0])
    config = tmp_path / "config.yaml"
    config.write_text(text)
    assert run("live", folders[0], "--config", config).exit_code == 0
    missing = run("kept", "live", "--config", config)
    assert (missing.exit_code, "no bundle is kept" in missing.output) == (2, True)
    url = "http://192.0.2.1/bundle.tar.gz"
    config.write_text(text.replace(f"path: {folders[0]}", f"bundle: {{url: '{url}'}}"))
    Keep(tmp_path / ".gateway" / "policy", url).save(build(folders[1]).content)
    assert run("live", folders[1], "--config", config).exit_code == 0
    assert run("live", folders[0], "--config", config).exit_code == 1
    assert run("kept", "live", "--config", config).exit_code == 0


def test_what_is_no_policy_exits_with_2(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (folders[1] / "more.rego").write_text("package more\n\nx := \n")
    assert run(*folders).exit_code == 2
    assert run(folders[0], tmp_path / "nowhere").exit_code == 2
