"""Counts tokens with tiktoken, from the encoding that litellm ships as package data: no network, no cache folder, no environment variable."""

from __future__ import annotations

import base64
import hashlib
import threading
from pathlib import Path
from typing import Final

import tiktoken

from gateway.infrastructure.price_table import litellm_folder

_FILE: Final = "litellm_core_utils/tokenizers/9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
"""tiktoken's cache name of ``cl100k_base.tiktoken`` (the SHA-1 of its address)."""

_SHA256: Final = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
"""Digest of that file, as ``tiktoken_ext.openai_public`` states it."""

_PATTERN: Final = r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
"""How the encoding splits text, from the same place."""

_SLICE: Final = 4_096
"""Characters encoded at once: bounds what a hostile text can cost; a cut adds one token at most."""

_COUNTED: Final = 262_144
"""Characters that are counted; a longer text is estimated from its beginning."""


class TokenCounter:
    """One encoding (cl100k_base) for every model: what it gives is an estimate, and is marked as one wherever it is used.

    The encoding takes a few hundred milliseconds to load, the first time that it is needed. Everything here blocks: call it off the event loop.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._encoding: tiktoken.Encoding | None = None
        self._loaded = False

    def count(self, text: str) -> int:
        """Tokens of ``text``; about a quarter of its characters where the encoding is not to be had."""
        encoding = self._load()
        if encoding is None:
            return len(text) // 4 + bool(text)
        counted = min(len(text), _COUNTED)
        tokens = sum(len(encoding.encode_ordinary(text[at : min(at + _SLICE, counted)])) for at in range(0, counted, _SLICE))
        return tokens if counted == len(text) else tokens * len(text) // counted

    def _load(self) -> tiktoken.Encoding | None:
        with self._lock:
            if not self._loaded:
                self._encoding = _encoding()
                self._loaded = True
            return self._encoding


def _encoding() -> tiktoken.Encoding | None:
    folder = litellm_folder()
    ranks = _ranks(folder / _FILE) if folder else None
    if ranks is None:
        return None
    return tiktoken.Encoding("cl100k_base", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={})


def _ranks(path: Path) -> dict[bytes, int] | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(data).hexdigest() != _SHA256:
        return None
    return {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in data.splitlines() if line)}
