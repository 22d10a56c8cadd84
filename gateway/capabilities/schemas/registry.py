"""Schemas, compiled once each and remembered: where the rest of the gateway comes in."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

import orjson

from gateway.capabilities.schemas.answer_schema import AnswerSchema
from gateway.capabilities.schemas.bounds import canonical_bytes, check_bounds
from gateway.capabilities.schemas.compilation import compiled
from gateway.capabilities.schemas.library import dialect_of
from gateway.capabilities.schemas.model import SchemaProblem

KEPT_BYTES = 8 << 20
"""Most bytes of all remembered schemas as JSON; compiled, one takes some twenty times as much memory, and its patterns what they take."""
_TIMES = 20


class Schemas:
    """Remembers what was compiled last, and what could not be. Any thread may use it."""

    def __init__(self, entries: int = 1000) -> None:
        self._entries = entries
        self._kept: OrderedDict[bytes, tuple[AnswerSchema | SchemaProblem, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def compile(self, schema: object) -> AnswerSchema:
        """Of a JSON Schema as Python has it parsed. Raises ``SchemaProblem`` for what is no usable schema, always the same one for the same schema.

        Takes microseconds for a schema that is remembered; else some ten for each value in it, and a tenth of a second more if it is the first (see ``warm``).
        """
        written = canonical_bytes(schema)
        key = hashlib.sha256(written).digest()
        known = self._known(key)
        if known is None:
            known = _compile(schema, written, key.hex())
            self._remember(key, known, len(written) + (known.pattern_bytes // _TIMES if isinstance(known, AnswerSchema) else 0))
        if isinstance(known, SchemaProblem):
            raise SchemaProblem(known.where, known.what)
        return known

    @property
    def is_warm(self) -> bool:
        """Whether a schema was compiled before, so that the next one need not wait for imports."""
        return bool(self._kept)

    def warm(self) -> None:
        """Import what compiling needs, which takes about a tenth of a second: at start, in a thread."""
        self.compile(True)

    def _known(self, key: bytes) -> AnswerSchema | SchemaProblem | None:
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def _remember(self, key: bytes, known: AnswerSchema | SchemaProblem, size: int) -> None:
        with self._lock:
            if key in self._kept:  # another thread was as quick
                return
            self._kept[key] = (known, size)
            self._bytes += size
            while len(self._kept) > self._entries or self._bytes > KEPT_BYTES:
                _, (_, freed) = self._kept.popitem(last=False)
                self._bytes -= freed


def _compile(schema: object, written: bytes, digest: str) -> AnswerSchema | SchemaProblem:
    document = orjson.loads(orjson.dumps(schema))
    try:
        check_bounds(document)
        dialect = dialect_of(document)
        structure = compiled(orjson.loads(written), dialect)
    except SchemaProblem as problem:
        return problem.with_traceback(None)
    if type(document) is bool:
        document = {} if document else {"not": {}}
    return AnswerSchema(digest, document, structure, dialect)
