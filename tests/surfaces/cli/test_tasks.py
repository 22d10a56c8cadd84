"""Reviewers at a terminal, whose commands ask a running gateway over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner

from gateway.surfaces.cli.tasks import command
from tests.surfaces.people import People, people_at, served

WriteConfig = Callable[..., Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """A terminal with a key of Ada's."""

    people: People
    url: str
    folder: Path

    async def run(self, *arguments: str, key: str | None = None, typed: bytes = b"") -> tuple[int, str, str]:
        """Exit code, standard output and standard error of ``gateway tasks``."""
        env = {"GATEWAY_KEY": key or self.people.key(), "GATEWAY_URL": self.url}
        result = await asyncio.to_thread(CliRunner().invoke, command, arguments, env=env, input=typed)
        return result.exit_code, result.stdout, result.stderr


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with people_at(tmp_path) as people, served(people) as url:
        with structlog.testing.capture_logs():  # the gateway's log is not to stand among what the commands print
            yield Terminal(people=people, url=url, folder=tmp_path)


async def test_a_task_is_found_read_claimed_and_accepted_at_a_terminal(terminal: Terminal) -> None:
    task = await terminal.people.park("approve", "pay it\x1b[2J now")
    code, listed, _ = await terminal.run("list")
    assert code == 0
    assert listed.split()[:4] == [task, "open", "default", "approve"]
    assert "billing agent" in listed
    code, shown, _ = await terminal.run("show", task)
    assert code == 0
    assert "pay it\\x1b[2J now" in shown
    assert "\x1b" not in shown
    assert f"gateway tasks decide {task} --version 1 --accept | --refuse" in shown
    code, claimed, _ = await terminal.run("claim", task)
    assert (code, claimed.startswith(f"{task} is yours until 20")) == (0, True)
    bob = terminal.people.key("Bob Example")
    code, out, err = await terminal.run("decide", task, "--accept", key=bob)
    assert (code, out, "Ada Example works on this task" in err) == (2, "", True)
    assert (await terminal.run("release", task))[1] == f"{task} is open\n"
    code, out, _ = await terminal.run("decide", task, "--accept", "--comment", "checked", "--version", "3", "--json", key=bob)
    assert (code, json.loads(out)["id"]) == (0, task)
    assert (await terminal.people.outcome(task))["state"] == "completed"
    code, shown, _ = await terminal.run("show", task)
    assert "nothing to show" in shown
    assert "Bob Example" in shown


async def test_texts_come_from_files_and_from_standard_input(terminal: Terminal) -> None:
    edited, answered = await terminal.people.park("review", "draft me"), await terminal.people.park("answer", "who?")
    (terminal.folder / "text.txt").write_text("edited\n")
    code, out, err = await terminal.run("decide", edited, "--edit", str(terminal.folder / "text.txt"))
    assert (code, out, err) == (0, f"{edited} is decided\n", "")
    assert (await terminal.run("decide", answered, "--answer", "-", typed="a person, née\r\n".encode()))[0] == 0
    answers = [(await terminal.people.outcome(task))["answer"]["choices"][0]["message"]["content"] for task in (edited, answered)]
    assert answers == ["edited", "a person, née"]


async def test_of_several_approvals_the_standing_ones_are_counted(terminal: Terminal) -> None:
    task = await terminal.people.park("four")
    assert (await terminal.run("decide", task, "--accept"))[1] == f"{task} is open, and has 1 of 2 approvals\n"
    assert (await terminal.run("withdraw", task))[1] == f"{task}: your approval is withdrawn, 0 of 2 stand\n"
    code, _, err = await terminal.run("withdraw", task)
    assert (code, "no approval of yours" in err) == (2, True)


async def test_an_answer_that_several_judge_is_accepted_in_the_version_that_was_shown(terminal: Terminal) -> None:
    task, bob = await terminal.people.park("dictate"), terminal.people.key("Bob Example")
    assert (await terminal.run("decide", task, "--answer", "-", typed=b"by hand"))[0] == 0
    code, out, err = await terminal.run("decide", task, "--accept", key=bob)
    assert (code, out, "gateway tasks show" in err, "--version" in err) == (2, "", True, True)
    code, shown, _ = await terminal.run("show", task, key=bob)
    assert (code, "version 2" in shown, f"gateway tasks decide {task} --version 2 --accept" in shown) == (0, True, True)
    assert (await terminal.run("decide", task, "--accept", "--version", "2", key=bob))[1] == f"{task} is decided\n"


async def test_lists_go_on_where_they_ended(terminal: Terminal) -> None:
    tasks = [await terminal.people.park("approve", str(number)) for number in range(2)]
    code, out, err = await terminal.run("list", "--limit", "1", "--queue", "default", "--state", "open", "--state", "claimed", "--due-before", "30d", "--json")
    assert (code, json.loads(out)["id"]) == (0, tasks[0])
    cursor = err.strip().removeprefix("more: --cursor ")
    assert (await terminal.run("list", "--cursor", cursor, "--due-before", "2100-01-01T00:00:00Z"))[1].split()[0] == tasks[1]
    assert (await terminal.run("list", "--state", "expired")) == (0, "", "no such tasks\n")
    code, _, err = await terminal.run("list", "--due-before", "soon")
    assert (code, "due_before" in err) == (2, True)


async def test_whoever_is_no_reviewer_is_told_so(terminal: Terminal) -> None:
    code, out, err = await terminal.run("list", key=terminal.people.key("Eve", roles=()))
    assert (code, out, "role reviewer" in err) == (2, "", True)
    code, _, err = await terminal.run("show", "../../healthz")
    assert (code, "there is no such" in err) == (2, True)


CASES: list[tuple[list[str], dict[str, str], str]] = [
    (["list"], {}, "set GATEWAY_KEY to the key of a reviewer"),
    (["list", "--url", "ftp://gateway.example.com"], {"GATEWAY_KEY": "gw_a_b"}, "is no URL such as"),
    (["list", "--url", "http://a:b@gateway.example.com"], {"GATEWAY_KEY": "gw_a_b"}, "is no URL such as"),
    (["list", "--url", "http://127.0.0.1:99999"], {"GATEWAY_KEY": "gw_a_b"}, "--url"),
    (["list", "--url", "http://127.0.0.1:1"], {"GATEWAY_KEY": "gw_a\nb"}, "GATEWAY_KEY"),
    (["list", "--url", "http://127.0.0.1:1"], {"GATEWAY_KEY": "gw_a_b"}, "the gateway at http://127.0.0.1:1 cannot be asked"),
    (["decide", "tsk_1"], {"GATEWAY_KEY": "gw_a_b"}, "give one of --accept, --refuse"),
    (["decide", "tsk_1", "--accept", "--refuse"], {"GATEWAY_KEY": "gw_a_b"}, "give one of --accept, --refuse"),
    (["decide", "tsk_1", "--edit", "-"], {"GATEWAY_KEY": "gw_a_b"}, "is not UTF-8"),
    (["list", "--limit", "0"], {"GATEWAY_KEY": "gw_a_b"}, "--limit"),
    (["list", "--config", "nowhere.yaml"], {"GATEWAY_KEY": "gw_a_b"}, "nowhere.yaml:1: no such file"),
]


@pytest.mark.parametrize(("arguments", "env", "words"), CASES)
def test_what_cannot_be_asked_is_one_line(arguments: list[str], env: dict[str, str], words: str) -> None:
    result = CliRunner().invoke(command, arguments, env={"GATEWAY_KEY": "", "GATEWAY_URL": "", **env}, input=b"\xff")
    assert (result.exit_code, words in result.stderr) == (2, True), result.output
    assert "gw_a" not in result.output


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        ("127.0.0.1:1", "at http://127.0.0.1:1 cannot"),
        ("0.0.0.0:1", "at http://127.0.0.1:1 cannot"),
        ("'[::]:1'", "at http://[::1]:1 cannot"),
        ("127.0.0.1:0", "server.listen does not say where the gateway is"),
    ],
)
def test_without_a_url_the_gateway_is_where_the_config_listens_and_no_secret_is_read(write_config: WriteConfig, listen: str, words: str) -> None:
    config = write_config(f"server:\n  listen: {listen}\nkeys:\n  api_key_hash: env:NOT_THERE\n")
    result = CliRunner().invoke(command, ["list", "--config", str(config)], env={"GATEWAY_KEY": "gw_a_b", "GATEWAY_URL": ""})
    assert (result.exit_code, words in result.stderr) == (2, True), result.output
