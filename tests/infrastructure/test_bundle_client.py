from __future__ import annotations

from typing import Any

import pytest

from gateway.infrastructure.bundle_client import BundleClient, BundleClientError, Fetched
from tests.capabilities.policy.bundle_server import BundleServer

CONTENT = bytes(range(256)) * 40
MAX = 1_000_000


async def test_an_unchanged_file_is_told_by_its_etag_and_not_sent_again() -> None:
    async with BundleServer(CONTENT) as server:
        client = BundleClient(server.url, token="abc", max_bytes=MAX)
        first = await client.fetch()
        assert first.content == CONTENT
        assert await client.fetch(first.etag) == Fetched(None, first.etag)
        server.content = CONTENT[1:]
        assert (await client.fetch(first.etag)).content == CONTENT[1:]
        await client.close()
    assert server.answered == [200, 304, 200]
    assert [asked.get("if-none-match") for asked in server.asked] == [None, first.etag, first.etag]
    assert {(asked["authorization"], asked["accept-encoding"], asked["cache-control"]) for asked in server.asked} == {("Bearer abc", "identity", "no-cache")}


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"status": 404}, "answered 404"),
        ({"status": 500}, "answered 500"),
        ({"status": 401}, "answered 401"),
        ({"status": 304}, "answered 304"),
        ({"status": 302, "headers": {"Location": "http://192.0.2.1/"}}, "answered 302"),
        ({"kind": "text/html; charset=utf-8"}, "something else than an archive"),
        ({"kind": "application/json"}, "something else than an archive"),
        ({"delay_s": 5.0}, "took too long"),
        ({"cut": True}, "cut its answer short"),
        ({"endless": True}, "larger than 1000000 bytes"),
    ],
)
async def test_whatever_the_server_does_wrong_is_one_kind_of_error_that_says_what(faults: dict[str, Any], said: str) -> None:
    async with BundleServer(CONTENT, **faults) as server:
        client = BundleClient(server.url, max_bytes=MAX, download_s=0.5)
        with pytest.raises(BundleClientError, match=said) as caught:
            await client.fetch()
        await client.close()
    assert caught.value.__cause__ is None


async def test_a_body_is_handed_on_as_it_came_although_it_is_said_to_be_packed() -> None:
    async with BundleServer(CONTENT, headers={"Content-Encoding": "gzip"}) as server:
        client = BundleClient(server.url, max_bytes=MAX)
        assert (await client.fetch()).content == CONTENT
        await client.close()


async def test_a_server_that_is_not_there_is_said_to_be_out_of_reach() -> None:
    client = BundleClient("http://127.0.0.1:1/bundle.tar.gz", max_bytes=MAX)
    with pytest.raises(BundleClientError, match="cannot be reached"):
        await client.fetch()
    await client.close()
