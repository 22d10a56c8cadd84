"""The inspection of one request: what was found in it, and everything that is redacted on its behalf."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

from gateway.capabilities.redaction.answer import AnswerInspection, Made
from gateway.capabilities.redaction.history import History, show_all
from gateway.capabilities.redaction.leaves import Link, Walk
from gateway.capabilities.redaction.placeholders import Vault, letters_in, may_hold_letters
from gateway.capabilities.redaction.places import request_counts, unscanned
from gateway.capabilities.redaction.rebuilding import rebuild
from gateway.capabilities.redaction.scanning import Clean, StreamingScanner, TextScanner
from gateway.capabilities.redaction.shapes import ANSWER, JSON_ANSWER, Role
from gateway.capabilities.redaction.stream import ChatStream
from gateway.capabilities.redaction.stream_fields import StreamContext
from gateway.capabilities.redaction.views import OneWayView, View
from gateway.domain import SECRET, Destination, FindingCount, Json, Obligations, Origin

_WITHOUT_MEDIA = frozenset({Destination.RECORD, Destination.PERSON})
"""Who gets no content that nobody could scan, whatever a verdict says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """What redaction has of a tenant."""

    scanner: StreamingScanner
    memo: TextScanner
    key: bytes
    clean: Clean
    history: History


class Inspection:
    """What was found in one request, the vault of its intent, and what follows from both.

    ``assemble`` for the model fills the vault, so it comes before any answer is inspected. Neither the request nor a finding's value leaves through
    anything here but the methods that name a destination.
    """

    def __init__(self, tenant: Tenant, body: Json) -> None:
        self._tenant = tenant
        self._body = body
        walk = self._walk()
        self._rest = walk.over_parameters(body)
        self._recalled, self._others = tenant.history.recall(body, walk)
        self._encoded = walk.encoded
        self._leaves = walk.leaves
        self._media = walk.media
        self._vault = Vault(tenant.key, self._letters)
        self._own: set[str] = set()
        self._secrets: set[str] = set()
        self.findings = self._found()
        """What was found, merged by category, place and origin, in the order of places."""
        self.unscanned = unscanned(self._media) if self._media else ()
        """What nobody could scan, each place and kind once."""
        self.redactions: dict[str, int] = {}
        """How often a value was hidden from the model, by category, as of the last ``assemble`` for it."""
        self._for_model: tuple[Collection[str], Json] | None = None

    def assemble(self, obligations: Obligations, destination: Destination) -> Json:
        """The request as ``destination`` may see it; the same object where nothing is hidden, else a copy that shares what is untouched.

        The record and persons get no content that nobody could scan.
        """
        bare = destination in _WITHOUT_MEDIA
        media = [item.link for item in self._media if item.payload] if bare else []
        granted = obligations.reveal.get(destination, frozenset())
        if self._for_model is not None and bare and not media and self._for_model[0] == granted:
            return self._for_model[1]  # what is granted alike is hidden alike
        view = self._view(obligations, destination)
        assembled = self._shown(view, media)
        if destination is Destination.MODEL:
            self.redactions = dict(sorted(view.hidden.items()))
            self._for_model = granted, assembled
        return assembled

    def recall_placeholders(self) -> None:
        """Fill the vault with a placeholder for every value of the request, whatever was revealed to the model that answered.

        For an answer that was made elsewhere, or earlier: what its model was shown in place of a value is then restored. Nothing becomes restorable
        that the request does not hold, and no secret.
        """
        self._shown(self._view(Obligations(), Destination.MODEL), [])

    def assemble_one_way(self, obligations: Obligations) -> Json:
        """The request as a model may see it that turns texts into vectors: as ``assemble``, but a hidden value is its type alone, and nothing restores it."""
        if self._recalled:
            self._take_apart()
        view = OneWayView(self._vault, obligations, self._secrets)
        assembled: Json = rebuild(self._body, self._leaves, view).value if self._leaves else self._body
        self.redactions = dict(sorted(view.hidden.items()))
        return assembled

    def redact(self, value: Any, obligations: Obligations, destination: Destination) -> Any:
        """Any JSON value as ``destination`` may see it: every leaf is scanned under its key, strings under ``arguments`` as JSON texts."""
        walk = self._walk()
        walk.over(value, Role.FREE)
        return rebuild(value, walk.leaves, self._view(obligations, destination)).value if walk.leaves else value

    def inspect_answer(self, body: Json, *, json: bool = False, origin: Origin = Origin.MODEL) -> AnswerInspection:
        """Scan a complete chat completion.

        Args:
            body: The completion.
            json: Whether its content is to be a JSON text though the caller did not ask for one.
            origin: Who made it: a model, or the person who answered or edited.
        """
        walk = Walk(self._tenant.scanner.scan, self._tenant.clean, answer=True)
        as_json = json or self.asked_for_json
        walk.over(body, JSON_ANSWER if as_json else ANSWER)
        return AnswerInspection(body, walk, self._view, self._is_new, Made(origin, as_json))

    def stream(self, obligations: Obligations, *, json: bool = False) -> ChatStream:
        """Redaction of a streamed answer, chunk by chunk; ``json`` as for ``inspect_answer``."""
        context = StreamContext(
            scanner=self._tenant.scanner,
            caller=self._view(obligations, Destination.CALLER),
            record=self._view(obligations, Destination.RECORD),
            is_new=self._is_new,
            clean=self._tenant.clean,
            allow_unscanned=obligations.allow_unscanned,
            tool_names=cache(self._tool_names),
        )
        return ChatStream(context, json=json or self.asked_for_json)

    @property
    def asked_for_json(self) -> bool:
        """Whether the answer's content is to be a JSON text."""
        asked = self._body.get("response_format")
        kind = asked.get("type") if isinstance(asked, dict) else None
        return isinstance(kind, str) and kind.startswith("json")

    def _view(self, obligations: Obligations, destination: Destination) -> View:
        return View(self._vault, obligations, destination, self._own, self._secrets)

    def _is_new(self, category: str, value: str) -> bool:
        """Whether a finding in an answer is one: what the caller itself sent is not, secrets always are."""
        return category == SECRET or value not in self._own or value in self._secrets

    def _tool_names(self) -> frozenset[str]:
        """Names of the tools that the model may call."""
        names = set()
        for parameter in ("tools", "functions"):
            tools = self._body.get(parameter)
            for tool in tools if isinstance(tools, list) else ():
                function = tool.get("function", tool) if isinstance(tool, dict) else None
                name = function.get("name") if isinstance(function, dict) else None
                if isinstance(name, str):
                    names.add(name)
        return frozenset(names)

    def _walk(self) -> Walk:
        return Walk(self._tenant.memo.scan, self._tenant.clean)

    def _found(self) -> tuple[FindingCount, ...]:
        """Count what was found, and note the values."""
        by_place = sorted((f"messages[{at}]", known.counts(at)) for at, _, known, _ in self._recalled)
        # Each place but for what lies within it is told from the others by its bracket.
        counts = [count for _, within in by_place for count in within]
        self._note([pair for one in self._recalled for pair in one.found])
        if self._leaves:
            found = [(leaf, leaf.found) for leaf in self._leaves]
            self._note([pair for _, values in found for pair in values])
            counts += request_counts(self._body, found)
            counts.sort(key=_place)
        return tuple(counts)

    def _note(self, found: list[tuple[str, str]]) -> None:
        self._own.update([value for category, value in found if category != SECRET])
        self._secrets.update([value for category, value in found if category == SECRET])

    def _shown(self, view: View, media: list[Link]) -> Json:
        """The request as ``view`` may see it, without the payloads at ``media``."""
        if self._recalled and (self._vault.taken or not self._own.isdisjoint(self._secrets)):
            self._take_apart()
        shown: Json = rebuild(self._body, self._leaves, view, media).value if self._leaves or media else self._body
        return show_all(shown, self._body, self._recalled, view) if self._recalled else shown

    def _take_apart(self) -> None:
        """Walk what was recalled too: what stands for a value in one message depends on the others."""
        walk = self._walk()
        for at, message, _, _ in self._recalled:
            walk.over_message(at, message)
        self._leaves = walk.leaves + self._leaves
        self._recalled = []

    def _letters(self) -> frozenset[str]:
        """The letters of every placeholder that the raw request holds literally, decoded JSON texts included."""
        parts = [self._rest, self._others, [piece.text for leaf in self._leaves for piece in leaf.pieces]]
        found = _letters_below(parts)
        if not found and not any(map(may_hold_letters, self._encoded)) and not any(one.known.literal for one in self._recalled):
            return found
        self._take_apart()
        return _letters_below([self._body, [piece.text for leaf in self._leaves for piece in leaf.pieces]])


def _place(count: FindingCount) -> tuple[str, str]:
    return count.where, count.origin


def _letters_below(root: list[Any]) -> frozenset[str]:
    """The letters of everything that looks like a placeholder in any string of a JSON value."""
    found: set[str] = set()
    stack = [root]
    while stack:
        node: Any = stack.pop()
        if type(node) is str:
            if "_" in node:
                found.update(letters_in(node))
        elif type(node) is dict:
            stack += node
            stack += node.values()
        elif type(node) is list:
            stack += node
    return frozenset(found)
