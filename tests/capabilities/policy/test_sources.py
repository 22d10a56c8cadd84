from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy.bundle_archive import pack
from gateway.capabilities.policy.bundle_build import build
from gateway.capabilities.policy.bundle_keys import bundle_signer
from gateway.capabilities.policy.decider import PolicyDecider, PolicyOptions
from gateway.capabilities.policy.problems import PolicyError
from gateway.capabilities.policy.sources import ServerOptions, SourceOptions, UnreachableError, kept_of, look_once, source_of
from gateway.domain import Hook
from tests.capabilities.policy.bundle_server import BundleServer
from tests.capabilities.policy.conftest import Write

SECRET = b"0123456789abcdef"


def bundle(outcome: str, revision: str = "", **more: str) -> bytes:
    """A bundle whose intents all come to one outcome."""
    files = {f"{hook}.rego": f'package gateway.{hook}\n\nverdict := {{"outcome": "{outcome}"}}\n'.encode() for hook in ("intent", "answer")}
    manifest = b'{"revision": "%s", "roots": [""]}' % revision.encode()
    return pack(files | {name.replace("_", "."): text.encode() for name, text in more.items()} | {".manifest": manifest})


ALLOW, DENY = bundle("allow", "v1"), bundle("deny", "v2")
ENDLESS = bundle(
    "allow", more_rego="package more\n\nx := [1 | some i in numbers.range(1, 2000); some j in numbers.range(1, 2000); some k in numbers.range(1, 2000)]\n"
)
BAD: dict[str, bytes] = {
    "half of a bundle": DENY[: len(DENY) // 2],
    "no archive": b"<html>",
    "Rego that does not compile": bundle("deny", more_rego="package more\n\nx := \n"),
    "Rego that must not go live": bundle("deny", more_rego="package more\n\nx := http.send({})\n"),
    "an endless policy": ENDLESS,
    "data that explodes": pack({"intent.rego": b"package gateway.intent\n", "data.json": b"[" * 1_000_000}),
    "a verdict that is none": bundle("perhaps"),
    "data outside of its roots": pack({"intent.rego": b"package gateway.intent\n", "data.json": b'{"x": 1}', ".manifest": b'{"roots": ["gateway"]}'}),
}


def options(server: BundleServer, keep: Path | None = None, **more: Any) -> PolicyOptions:
    return PolicyOptions(path=Path("unused"), server=ServerOptions(url=server.url, poll_s=3_600, download_s=2.0), keep=keep, trial_s=20.0, **more)


async def outcome(decider: PolicyDecider) -> str:
    return (await decider.decide(Hook.INTENT, {})).verdict.outcome


async def test_a_server_is_asked_conditionally_and_a_new_bundle_goes_live() -> None:
    async with BundleServer(ALLOW) as server:
        decider = PolicyDecider(options(server))
        await decider.start()
        assert await outcome(decider) == "allow"
        assert decider.status.label == decider.label_of(decider.revision) == "v1"
        assert not await decider.reload_if_changed()
        server.content = DENY
        assert await decider.reload_if_changed()
        assert await outcome(decider) == "deny"
        assert decider.status.label == "v2"
        assert not await decider.reload_if_changed()
        await decider.close()
    assert server.answered == [200, 304, 200, 304]


async def test_a_server_without_etags_is_not_taken_for_one_with_news() -> None:
    async with BundleServer(ALLOW, etags=False) as server:
        decider = PolicyDecider(options(server))
        await decider.start()
        assert not await decider.reload_if_changed()
        assert (decider.status.reloads_ok, decider.status.reloads_failed) == (0, 0)
        await decider.close()


@pytest.mark.parametrize("case", BAD)
async def test_what_must_not_go_live_leaves_the_live_policy_and_is_told_once(case: str) -> None:
    told: list[bool] = []
    async with BundleServer(ALLOW) as server:
        decider = PolicyDecider(options(server), on_reload=lambda ok, revision, problems: told.append(ok))
        await decider.start()
        live = decider.revision
        server.content = BAD[case]
        assert await decider.reload_if_changed()
        assert not await decider.reload_if_changed()
        assert (await outcome(decider), decider.revision) == ("allow", live)
        assert decider.status.error
        assert "http:/1" not in decider.status.error
        server.content = ALLOW  # back to what is live: the server says 304
        assert await decider.reload_if_changed()
        assert decider.status.error == ""
        await decider.close()
    assert told == [False, True]
    assert server.answered == [200, 200, 200, 304]


@pytest.mark.parametrize(
    "faults",
    [{"status": 404}, {"status": 500}, {"kind": "text/html"}, {"cut": True}, {"delay_s": 5.0}, {"endless": True}],
    ids=lambda faults: next(iter(faults)),
)
async def test_a_server_that_fails_leaves_the_live_policy_and_is_told_once(faults: dict[str, Any]) -> None:
    async with BundleServer(ALLOW) as server:
        decider = PolicyDecider(options(server))
        await decider.start()
        good = dict(vars(server))
        server.content = DENY
        vars(server).update(faults)
        assert await decider.reload_if_changed()
        assert not await decider.reload_if_changed()
        assert await outcome(decider) == "allow"
        assert "the server" in decider.status.error
        assert decider.status.reloads_failed == 1
        vars(server).update({name: good[name] for name in faults})
        assert await decider.reload_if_changed()
        assert (await outcome(decider), decider.status.error) == ("deny", "")
        await decider.close()


async def test_the_kept_bundle_goes_live_where_the_server_is_away_and_it_is_said(tmp_path: Path) -> None:
    async with BundleServer(ALLOW) as server:
        first = PolicyDecider(options(server, tmp_path / "keep"))
        await first.start()
        server.content = DENY
        await first.reload_if_changed()
        await first.close()
    again = PolicyDecider(options(server, tmp_path / "keep"))
    await again.start()
    assert await outcome(again) == "deny"
    assert again.status.kept
    assert "cannot be reached" in again.status.error
    assert not await again.reload_if_changed()
    async with server:
        server.content = ALLOW
        assert await again.reload_if_changed()
        assert (await outcome(again), again.status.kept, again.status.error) == ("allow", False, "")
        await again.close()


@pytest.mark.parametrize("case", BAD)
async def test_the_kept_bundle_goes_live_where_the_server_has_a_bad_one(tmp_path: Path, case: str) -> None:
    async with BundleServer(ALLOW) as server:
        first = PolicyDecider(options(server, tmp_path))
        await first.start()
        await first.close()
        server.content = BAD[case]
        again = PolicyDecider(options(server, tmp_path))
        await again.start()
        assert (await outcome(again), again.status.kept) == ("allow", True)
        assert not await again.reload_if_changed()
        await again.close()


async def test_without_a_kept_bundle_a_server_that_is_away_stops_the_start(tmp_path: Path) -> None:
    decider = PolicyDecider(options(BundleServer(url="http://127.0.0.1:1/bundle.tar.gz"), tmp_path))
    with pytest.raises(UnreachableError, match="cannot be reached"):
        await decider.start()
    await decider.close()


async def test_with_a_key_only_a_bundle_that_was_signed_with_it_goes_live_or_comes_back(write: Write, tmp_path: Path) -> None:
    signed = build(write(), signer=bundle_signer(SECRET)).content
    async with BundleServer(signed) as server:
        decider = PolicyDecider(options(server, tmp_path / "keep", key=SECRET))
        await decider.start()
        assert decider.status.signed == "HS256, HMAC secret"
        server.content = DENY
        assert await decider.reload_if_changed()
        assert "is not signed" in decider.status.error
        assert await outcome(decider) == "allow"
        await decider.close()
        other = PolicyDecider(options(server, tmp_path / "keep", key=b"another-secret-of-16"))
        with pytest.raises(PolicyError, match="is not of policy"):
            await other.start()
        await other.close()


async def test_a_key_that_is_none_stops_the_start() -> None:
    with pytest.raises(PolicyError, match="bundle_key: has less than 16 bytes"):
        await PolicyDecider(PolicyOptions(path=Path("policies"), key=b"short")).start()


async def test_a_bundle_file_goes_live_and_is_kept_and_a_half_written_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"
    path.write_bytes(ALLOW)
    decider = PolicyDecider(PolicyOptions(path=path, keep=tmp_path / "keep"))
    await decider.start()
    assert not await decider.reload_if_changed()
    path.write_bytes(DENY[:200])
    assert await decider.reload_if_changed()
    assert "cut short" in decider.status.error
    assert await outcome(decider) == "allow"
    await decider.close()
    again = PolicyDecider(PolicyOptions(path=path, keep=tmp_path / "keep"))
    await again.start()
    assert (await outcome(again), again.status.kept) == ("allow", True)
    path.write_bytes(DENY)
    assert await again.reload_if_changed()
    assert (await outcome(again), again.status.kept) == ("deny", False)
    path.unlink()
    assert await again.reload_if_changed()
    assert (await outcome(again), bool(again.status.error)) == ("deny", True)
    await again.close()


async def test_a_bundle_that_cannot_be_kept_is_live_and_it_is_said_until_it_can(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with BundleServer(ALLOW) as server:
        decider = PolicyDecider(options(server, tmp_path / "file"))
        await decider.start()
        assert await outcome(decider) == "allow"
        assert not await decider.reload_if_changed()
        assert "cannot be kept" in decider.status.error
        server.content = BAD["no archive"]
        assert await decider.reload_if_changed()
        server.content = ALLOW
        (tmp_path / "file").unlink()
        assert await decider.reload_if_changed()
        assert decider.status.error == ""
        await decider.close()
        kept = kept_of(options(server, tmp_path / "file"))
        assert kept is not None
        assert kept.revision == decider.revision


async def test_a_single_look_gives_what_a_gateway_would_load(write: Write, tmp_path: Path) -> None:
    folder = write()
    assert (await look_once(SourceOptions(path=folder))).bundle.path == folder
    async with BundleServer(ALLOW) as server:
        decider = PolicyDecider(options(server, tmp_path / "keep"))
        await decider.start()
        await decider.close()
        server.status = 500
        found = await look_once(options(server, tmp_path / "keep"))
        assert found.bundle.manifest.revision == "v1"
        assert "answered 500" in str(found.instead)
        kept = kept_of(options(server, tmp_path / "keep"))
        assert kept is not None
        assert kept.revision == found.bundle.revision
        with pytest.raises(UnreachableError):
            await look_once(options(server))


async def test_a_folder_whose_files_were_touched_is_read_again_and_otherwise_not(write: Write) -> None:
    folder = write()
    source = source_of(SourceOptions(path=folder, reload_s=2.0))
    first = await source.look()
    assert first is not None
    assert await source.look() is None
    os.utime(folder / "intent.rego", ns=(1, 1))
    again = await source.look()
    assert again is not None
    assert again.revision == first.revision
    assert (source.interval_s, source.place, await source.kept()) == (2.0, str(folder), None)
