"""An OPA server in words: what it is for, and what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from click import ClickException

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.bundle_build import build
from gateway.settings import Opa, Secret
from gateway.surfaces.cli.opa_words import about_opa, ask_opa
from tests.servers.false_opa import FalseOpa, false_opa, json_of
from tests.servers.opa_server import OpaProcess

EXAMPLES = Path(__file__).parents[3] / "policies"
NAMES = frozenset({"r" * 64, "v12"})


def options(url: str, token: str | None = None) -> Opa:
    return Opa(url=url, token=None if token is None else Secret(token.encode(), "env:OPA_TOKEN"), timeout_s=0.5, fallback=False)


async def said(change: Callable[[FalseOpa], object]) -> str:
    async with false_opa("r" * 64) as opa:
        change(opa)
        try:
            return await asyncio.to_thread(ask_opa, options(opa.url), NAMES)
        except ClickException as refusal:
            return f"refused: {refusal.message}"


def test_who_decides_while_it_is_down_is_told() -> None:
    assert about_opa(options("http://opa.example.com", "s3cret")) == (
        "OPA server at http://opa.example.com, token env:OPA_TOKEN, 500 ms for a decision; while it cannot be asked, intents are refused"
    )


async def test_a_server_that_has_the_policy_under_either_name_is_good() -> None:
    assert await said(lambda opa: None) == "it answers, and decides by this revision"
    assert await said(lambda opa: setattr(opa, "revision", "v12")) == "it answers, and decides by this revision"


@pytest.mark.parametrize(
    ("revision", "words"),
    [("x" * 64, "decides by revision xxxxxxxxxxxx, and this policy is rrrrrrrrrrrr, v12"), ("", "decides by revision none that it names")],
)
async def test_a_server_with_another_policy_is_refused_with_the_way_out(revision: str, words: str) -> None:
    refusal = await said(lambda opa: setattr(opa, "revision", revision))
    assert refusal.startswith("refused: policy.opa: ")
    assert words in refusal
    assert "gateway policy build" in refusal


async def test_a_server_that_wants_a_token_is_refused() -> None:
    refusal = await said(lambda opa: setattr(opa, "looks", json_of({"code": "unauthorized"}, status=401)))
    assert "cannot be asked: no answer of an OPA server that may be asked: status 401; start it, or correct url and token" in refusal


@pytest.mark.services
def test_a_bundle_that_the_gateway_built_is_one_by_which_a_real_server_decides(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.tar.gz"
    bundle.write_bytes(build(EXAMPLES).content)
    process = OpaProcess(tmp_path).start(bundle)
    try:
        assert ask_opa(options(process.url), frozenset({load_bundle(EXAMPLES).revision})) == "it answers, and decides by this revision"
    finally:
        process.stop()
