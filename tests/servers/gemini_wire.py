"""A scripted server that speaks Gemini's API (``:generateContent``, ``:streamGenerateContent?alt=sse``, ``:batchEmbedContents``)."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from tests.servers.provider_wire import Json, ProviderWire


class GeminiWire(ProviderWire):
    """Give it what it is to say; ``requests`` has what it was asked."""

    def refused(self, path: str, headers: Mapping[str, str], body: Json) -> str | None:
        if "x-goog-api-key" not in headers:
            return "API key not valid"
        if path.endswith("EmbedContents"):
            return None if body.get("requests") else "requests: required"
        contents = body.get("contents")
        if not contents or any(set(content) - {"role", "parts"} for content in contents):
            return "contents: required"
        return None

    def error(self, status: int, kind: str, words: str) -> Json:
        return {"error": {"code": status, "message": words, "status": kind.upper()}}

    def whole(self, path: str, body: Json) -> Json:
        if path.endswith("EmbedContents"):
            return {"embeddings": [{"values": [0.5, -0.25, float(number)]} for number, _ in enumerate(body["requests"])]}
        candidates = [self._candidate(number, text, self._calls(), self._stop()) for number, text in enumerate(self._texts(body))]
        return {"candidates": candidates, **self._tail()}

    def streams(self, path: str, body: Json) -> bool:
        return path.endswith(":streamGenerateContent")

    def events(self, body: Json) -> list[bytes]:
        words = [f"{word} " for word in self.said.text.split(" ")]
        words[-1] = words[-1].removesuffix(" ")
        chunks: list[Json] = [{"candidates": [self._candidate(0, word, [], None)], "responseId": "r1", "modelVersion": "gemini-x"} for word in words if word]
        chunks.append({"candidates": [self._candidate(0, "", self._calls(), self._stop())], **self._tail()})
        return [b"data: " + orjson.dumps(chunk) + b"\r\n\r\n" for chunk in chunks]

    def error_event(self) -> bytes:
        return b"data: " + orjson.dumps(self.error(503, "unavailable", self.fault.words)) + b"\r\n\r\n"

    def _texts(self, body: Json) -> list[str]:
        asked = (body.get("generationConfig") or {}).get("candidate_count", 1)
        return [self.said.text, *self.said.more][:asked]

    def _calls(self) -> list[Json]:
        return [{"functionCall": {"name": name, "args": arguments}} for name, arguments in self.said.calls]

    def _stop(self) -> str:
        return self.said.stop or "STOP"

    def _candidate(self, index: int, text: str, calls: list[Json], stop: str | None) -> Json:
        candidate: Json = {"index": index, "content": {"role": "model", "parts": [*([{"text": text}] if text else []), *calls]}}
        if stop is not None:
            candidate["finishReason"] = stop
        if self.said.logprobs:
            chosen = {"token": text, "tokenId": 1, "logProbability": -0.25}
            candidate |= {"avgLogprobs": -0.25, "logprobsResult": {"chosenCandidates": [chosen], "topCandidates": [{"candidates": [chosen]}]}}
        return candidate

    def _tail(self) -> Json:
        given, made = self.said.tokens
        usage = {"promptTokenCount": given, "candidatesTokenCount": made, "totalTokenCount": given + made, "cachedContentTokenCount": self.said.cached}
        return {"usageMetadata": usage, "responseId": "r1", "modelVersion": "gemini-x"}
