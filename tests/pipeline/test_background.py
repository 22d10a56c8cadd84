"""Work in the background ends by itself, or at the end of the process."""

from __future__ import annotations

import asyncio

import pytest

from gateway.pipeline.background import Background


async def test_work_goes_on_when_who_began_it_is_gone() -> None:
    background, done = Background(), asyncio.Event()

    async def work() -> int:
        await asyncio.sleep(0.05)
        done.set()
        return 7

    waiting = asyncio.ensure_future(asyncio.shield(background.start(work())))
    waiting.cancel()
    await asyncio.wait({waiting})
    assert len(background) == 1
    await done.wait()
    await background.close(1)
    assert len(background) == 0


async def test_it_hands_its_result_to_who_waits() -> None:
    async def work() -> int:
        return 7

    background = Background()
    assert await background.start(work()) == 7


async def test_what_fails_is_told_to_who_waits_and_harms_nobody_else() -> None:
    async def broken() -> None:
        raise LookupError("x")

    background = Background()
    failed = background.start(broken())
    await background.close(1)
    with pytest.raises(LookupError):
        await failed
    assert len(background) == 0


async def test_the_end_waits_a_while_then_cancels() -> None:
    ended: list[str] = []

    async def work(name: str, takes_s: float) -> None:
        try:
            await asyncio.sleep(takes_s)
            ended.append(name)
        except asyncio.CancelledError:
            ended.append(f"{name} cancelled")
            raise

    background = Background()
    background.start(work("short", 0.05))
    background.start(work("long", 60))
    await asyncio.sleep(0)
    await background.close(0.3)
    assert ended == ["short", "long cancelled"]
    assert len(background) == 0


async def test_nothing_to_wait_for_is_no_wait() -> None:
    background = Background()
    await background.close(60)
    assert len(background) == 0
