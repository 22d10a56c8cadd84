"""Masks, as OPA has them: ``data.system.log.mask`` of the live policy says, for each event, what is taken out of it or put in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, unquote

import orjson

from gateway.capabilities.policy.policy import Policy
from gateway.domain import Json
from gateway.infrastructure.policy_engine_embedded import UNDEFINED, EngineError
from gateway.infrastructure.policy_engine_process import ProcessEngine

RULE: Final = "data.system.log.mask"
_KEY: Final = ("system", "log", "mask")
_PARTS: Final = ("input", "result", "nd_builtin_cache")
_MAX_CHARS: Final = 1_048_576
_LIMIT_S: Final = 1.0
"""For the masks of one event."""


class MaskError(Exception):
    """The masks are none."""


class Masker:
    """Masks events by the policy that is live now. Evaluates in a process of its own; belongs to one thread."""

    def __init__(self, live: Callable[[], Policy | None]) -> None:
        """``live`` gives the live policy."""
        self._live = live
        self._revision: str | None = None
        self._engine: ProcessEngine | None = None

    def mask(self, event: Json) -> bool:
        """Mask ``event`` in place. ``False`` where nobody knows what to mask: then its input and result are gone."""
        engine = self._current()
        if engine is None:
            return True
        try:
            apply(event, engine.evaluate(RULE, orjson.dumps(event).decode(), max_chars=_MAX_CHARS))
        except (EngineError, MaskError):
            event.pop("masked", None)
            event["erased"] = [f"/{part}" for part in ("input", "result") if event.pop(part, None) is not None] or event.get("erased", [])
            return False
        return True

    def close(self) -> None:
        """End the engine."""
        if self._engine is not None:
            self._engine.close()

    def _current(self) -> ProcessEngine | None:
        """The engine of the live policy; ``None`` where that has no masks."""
        policy = self._live()
        revision = None if policy is None else policy.revision
        if revision != self._revision:
            self.close()
            masks = policy is not None and next(policy.program.rules_at(_KEY), None) is not None
            self._engine = ProcessEngine(policy.bundle.modules, policy.bundle.data_json, limit_s=_LIMIT_S) if policy is not None and masks else None
            self._revision = revision
        return self._engine


def apply(event: Json, masks: Any) -> None:
    """Do what ``masks`` say: a list of paths (``/input/user/name``) to remove, or of ``{"op": "remove" | "upsert", "path", "value"}``.

    Paths that lead nowhere are passed over, as in OPA.

    Raises:
        MaskError: They are no masks; the event may be masked in part.
    """
    if masks is UNDEFINED or masks is None:
        return
    if not isinstance(masks, list):
        raise MaskError("the masks are no list")
    for mask in masks:
        remove, path, value = _read(mask)
        parts = path[1:].split("/")
        done = _remove(event, parts) if remove else _upsert(event, parts, value)
        if done:
            event.setdefault("erased" if remove else "masked", []).append("/" + "/".join(quote(part, safe="$&+:=@") for part in parts))


def _read(mask: Any) -> tuple[bool, str, Any]:
    operation, path, value = ("remove", mask, None) if isinstance(mask, str) else _object(mask)
    if operation not in {"remove", "upsert"} or not isinstance(path, str) or not path.startswith("/") or path[1:].split("/")[0] not in _PARTS:
        raise MaskError("a mask is none")
    return operation == "remove", path, value


def _object(mask: Any) -> tuple[Any, Any, Any]:
    if not isinstance(mask, dict):
        raise MaskError("a mask is neither text nor an object")
    return mask.get("op"), mask.get("path"), mask.get("value")


def _remove(node: Any, parts: list[str]) -> bool:
    for part in parts[:-1]:
        key = _key(node, part)
        if key is None:
            return False
        node = node[key]
    key = _key(node, parts[-1])
    if key is not None:
        del node[key]
    return key is not None


def _key(node: Any, part: str) -> str | int | None:
    """What ``part`` of a path is called in ``node``; ``None`` where there is no such thing.

    A key is named as it is, or with percent escapes, without which one that holds a slash could not be named. OPA finds only keys that need none.
    """
    if isinstance(node, dict):
        return next((name for name in (part, unquote(part)) if name in node), None)
    if isinstance(node, list) and part.isascii() and part.removeprefix("+").isdigit() and int(part) < len(node):
        return int(part)
    return None


def _upsert(event: Json, parts: list[str], value: Any) -> bool:
    node: Any = event
    if parts[0] not in event:
        return False
    for part in parts[:-1]:
        key = _key(node, part)
        if key is None:
            if not isinstance(node, dict):
                return False
            key = part
            node[key] = {}
        node = node[key]
    if isinstance(node, dict):
        node[parts[-1]] = value
        return True
    return False
