"""A complete answer: inspected once, then shown to the caller, to a person and to the record as far as a verdict reveals it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from gateway.capabilities.redaction.leaves import Leaf, Link, Walk, path
from gateway.capabilities.redaction.placeholders import SECRET_PLACEHOLDER, Restorer
from gateway.capabilities.redaction.places import answer_place, merged
from gateway.capabilities.redaction.rebuilding import Rebuilt, rebuild
from gateway.capabilities.redaction.shapes import Role
from gateway.capabilities.redaction.transcript import choices
from gateway.capabilities.redaction.views import View, escape_json
from gateway.domain import Destination, Json, Obligations, Origin

Views: TypeAlias = Callable[[Obligations, Destination], View]
"""What a destination sees under obligations, by the vault of one intent."""
Pair: TypeAlias = tuple[str, str]
"""A category, and a value of it."""
IsNew: TypeAlias = Callable[[str, str], bool]
"""Whether a category and value found in an answer is a finding: what the caller itself sent is not."""


class Made(NamedTuple):
    """How an answer was made."""

    origin: Origin
    """Who made it."""
    json: bool
    """Whether its content is a JSON text."""


class AnswerInspection:
    """What was found in a complete chat completion. The body is never changed."""

    def __init__(self, body: Json, walk: Walk, views: Views, is_new: IsNew, made: Made) -> None:
        """``walk`` went over ``body``."""
        self._body = body
        self._json = made.json
        self._leaves = walk.leaves
        self._walked = walk.media
        self._media = [item.link for item in walk.media if item.payload]
        self._views = views
        self._untouched = not walk.leaves and not walk.media
        """Whether everybody sees the body as it is."""
        found = ((category, answer_place(leaf.link)) for leaf in walk.leaves for category, value in leaf.found if is_new(category, value))
        self.findings = merged(found, made.origin)
        """What the answer brought, merged by category and place; secrets always, other values only if the caller did not send them itself."""
        self.redactions: dict[str, int] = {}
        """How often a value was hidden from the caller, by category, as of the last ``for_caller``."""
        self.logprobs_dropped = False
        """Whether log probabilities were left out for the caller because they would spell what was hidden or restored."""

    @property
    def text(self) -> str:
        """The text of the first choice as the model sent it, placeholders and all; empty where it sent none."""
        first = next(iter(choices(self._body)), None)
        content = first["content"] if first else None
        return content if isinstance(content, str) else ""

    def for_caller(self, obligations: Obligations) -> Json:
        """The answer as the caller gets it: values that the model brought hidden unless granted, the caller's own restored."""
        if self._untouched:
            return self._body
        view = self._views(obligations, Destination.CALLER)
        body, dropped = self._shown(view, obligations)
        self.redactions = view.hidden
        self.logprobs_dropped = dropped
        return body

    def for_person(self, obligations: Obligations) -> Json:
        """The answer as a person may see it: what is granted to persons is shown and restored, all else is a placeholder, a secret always.

        Content that nobody could scan is left out whatever ``obligations`` say, and log probabilities, which would spell what is hidden.
        """
        unseen = [item.link for item in self._walked if item.payload or item.kind == "tokens"]
        unseen.sort(key=lambda link: -len(path(link)))  # deepest first: what stands around a payload may be one itself
        view = self._views(obligations, Destination.PERSON)
        return _without_any_logprobs(rebuild(self._body, self._leaves, view, unseen, respell=True).value)

    def put_back(self, text: str) -> str:
        """A text that a person wrote from what ``for_person`` shows, with what that had hidden of this answer's texts put back.

        Whoever edits an answer does not have to see a value to leave it in: whether the caller sees it is for the answer's own verdict to say. Secrets
        stay hidden, and so do values that only the request holds, which the vault restores.
        """
        escape = escape_json if self._json else str
        hidden = {token: value for token, (_, value) in self._hidden().items()}
        return "".join(plain + ("" if value is None else escape(value)) for plain, value in Restorer(hidden).split(text))

    def left_in(self, texts: Iterable[str]) -> Counter[Pair]:
        """What ``put_back`` puts back into these texts, and how often."""
        hidden = self._hidden()
        tokens = Restorer({token: token for token in hidden})
        return Counter(hidden[token] for text in texts for _, token in tokens.split(text) if token is not None)

    def found(self) -> Counter[Pair]:
        """What was found, and how often: values that the caller sent itself, too."""
        return Counter(pair for leaf in self._leaves if leaf.role is not Role.IDENTIFIER for pair in leaf.found)

    def _hidden(self) -> dict[str, Pair]:
        """What a person sees in place of what, where nothing is granted."""
        view = self._views(Obligations(), Destination.PERSON)
        shown = ((view.replacement(*pair), pair) for pair in self.found())
        return {token: pair for token, pair in shown if token not in {None, SECRET_PLACEHOLDER}}

    def for_record(self, obligations: Obligations) -> Json:
        """The answer as the record keeps it: only what is granted to the record is shown."""
        if self._untouched:
            return self._body
        return self._shown(self._views(obligations, Destination.RECORD), obligations)[0]

    def _shown(self, view: View, obligations: Obligations) -> tuple[Json, bool]:
        media = self._media if view.to_record or not obligations.allow_unscanned else []
        rebuilt = rebuild(self._body, self._leaves, view, media, respell=True)
        return _without_logprobs(self._body, rebuilt)


def _without_logprobs(original: Json, rebuilt: Rebuilt) -> tuple[Json, bool]:
    """Leave out the log probabilities of every choice that was touched; its copy is ours to change."""
    dropped = False
    for index in _touched_choices(rebuilt.touched):
        choice = original["choices"][index]
        if isinstance(choice, dict) and choice.get("logprobs") is not None:
            rebuilt.value["choices"][index]["logprobs"] = None
            dropped = True
    return rebuilt.value, dropped


def _without_any_logprobs(body: Json) -> Json:
    """The answer without log probabilities; the same object where it has none."""
    found = body.get("choices")
    if not isinstance(found, list) or not any(isinstance(choice, dict) and choice.get("logprobs") is not None for choice in found):
        return body
    return {**body, "choices": [{**choice, "logprobs": None} if isinstance(choice, dict) and "logprobs" in choice else choice for choice in found]}


def _touched_choices(leaves: Iterable[Leaf]) -> set[Any]:
    return {steps[1] for leaf in leaves if _in_choice(steps := path(leaf.link), leaf.link)}


def _in_choice(steps: list[str | int], link: Link) -> bool:
    return link is not None and len(steps) > 2 and steps[0] == "choices" and isinstance(steps[1], int)
