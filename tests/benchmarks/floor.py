"""The floor: what a pass-through costs with nothing governed. A FastAPI route that hands the request to the upstream by aiohttp, and the answer back."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse


def build(upstream: str) -> FastAPI:
    """The application in front of ``upstream``, a base URL."""
    sessions: list[aiohttp.ClientSession] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            sessions.append(session)
            yield

    application = FastAPI(lifespan=lifespan)

    @application.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ready"}

    @application.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        body = await request.body()
        answer = await sessions[0].post(f"{upstream}/chat/completions", data=body, headers={"content-type": "application/json"})
        if answer.content_type == "text/event-stream":
            return StreamingResponse(_relay(answer), media_type="text/event-stream")
        async with answer:
            return Response(await answer.read(), answer.status, media_type="application/json")

    return application


async def _relay(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async with answer:
        async for part in answer.content.iter_any():
            yield part


if __name__ == "__main__":
    uvicorn.run(build(f"http://127.0.0.1:{sys.argv[2]}/v1"), host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False)
