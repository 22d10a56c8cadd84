"""Reads a script, strictly: every problem at once, each with its file and line and the nearest known name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from gateway.simulated.script import DEFAULT_LOGPROB, FAULTS, FORMATS, TEMPLATE, USAGES, Fault, GivenUsage, Rule, Script, ScriptError, ToolCall, When


def load_script(path: Path) -> Script:
    """Read the script in ``path``.

    Raises:
        ScriptError: it cannot be read or is not valid; all problems at once.
    """
    try:
        return parse_script(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptError([f"{path}: cannot be read ({type(error).__name__})"]) from None


def parse_script(text: str, source: str = "script") -> Script:
    """The script in ``text``; ``source`` stands for the file in messages.

    Raises:
        ScriptError: it is not valid; all problems at once.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ScriptError([f"{source}:{line}: not YAML: {error.problem}"]) from None
    if root is None:
        return Script()
    reader = _Reader(source)
    script = reader.script(root)
    if reader.problems:
        raise ScriptError(reader.problems)
    return script


class _Reader:
    """Turns YAML nodes into the script, collecting every problem with its line."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.problems: list[str] = []

    def script(self, root: yaml.Node) -> Script:
        fields = self._mapping(root, {"models": self._texts, "rules": self._rules}, "the script")
        return Script(**fields)

    def _rules(self, node: yaml.Node) -> tuple[Rule, ...]:
        return tuple(self._rule(item) for item in self._items(node))

    def _rule(self, node: yaml.Node) -> Rule:
        readers: dict[str, Callable[[yaml.Node], Any]] = {
            "name": self._text, "when": self._when, "extract": self._extract, "reply": self._reply, "chunks": self._chunks,
            "first_token_ms": self._count, "pace_ms": self._count, "tool_calls": self._tool_calls, "usage": self._usage,
            "logprobs": self._logprobs, "finish_reason": self._text, "choices": self._count, "fault": self._fault, "times": self._count,
            "replies": self._replies, "refusal": self._text,
        }  # fmt: skip
        fields = self._mapping(node, readers, "a rule")
        self._settle_reply(node, fields)
        rule = Rule(**fields)
        known = {"echo", "last_tool_result", *rule.extract}
        for quoted in TEMPLATE.findall(f"{rule.reply} {rule.replies} {rule.refusal} {[call.arguments for call in rule.tool_calls]}"):
            if quoted not in known and not quoted.startswith("placeholder:"):
                self._problem(node, f"{{{quoted}}} is quoted but not extracted{_nearest(quoted, known)}")
        return rule

    def _settle_reply(self, node: yaml.Node, fields: dict[str, Any]) -> None:
        """A rule says one thing; where that is not a reply, there is none to be echoed either."""
        said = [name for name in ("reply", "replies", "refusal") if name in fields]
        if len(said) > 1:
            self._problem(node, f"a rule says one of {' and '.join(said)}")
        if isinstance(fields.get("chunks"), tuple):
            if said and said[0] != "reply":
                self._problem(node, f"the list of chunks is the reply: {said[0]} cannot stand beside it")
            fields.setdefault("reply", "".join(fields["chunks"]))
        if "tool_calls" in fields or "refusal" in fields:
            fields.setdefault("reply", None)

    def _reply(self, node: yaml.Node) -> str | None:
        return None if self._plain(node) is None else self._text(node)

    def _when(self, node: yaml.Node) -> When:
        readers = {
            "model": self._text,
            "contains": self._text,
            "anywhere": self._text,
            "tool_result": self._flag,
            "stream": self._flag,
            "header": self._headers,
        }
        readers["response_format"] = partial(self._one_of, values=FORMATS)
        return When(**self._mapping(node, readers, "when"))

    def _headers(self, node: yaml.Node) -> dict[str, str]:
        return {str(name).lower(): value for name, value in self._pairs(node, self._text).items()}

    def _extract(self, node: yaml.Node) -> dict[str, re.Pattern[str]]:
        return self._pairs(node, self._pattern)

    def _pattern(self, node: yaml.Node) -> re.Pattern[str]:
        try:
            return re.compile(self._text(node))
        except re.error as error:
            self._problem(node, f"not a regular expression: {error.msg}")
            return re.compile("")

    def _tool_calls(self, node: yaml.Node) -> tuple[ToolCall, ...]:
        readers = {"name": self._text, "arguments": self._plain}
        calls = [self._mapping(item, readers, "a tool call", required=("name",)) for item in self._items(node)]
        return tuple(ToolCall(name=call.get("name", ""), arguments=call.get("arguments", {})) for call in calls)

    def _chunks(self, node: yaml.Node) -> int | tuple[str, ...]:
        return self._texts(node) if isinstance(node, yaml.SequenceNode) else max(1, self._count(node))

    def _replies(self, node: yaml.Node) -> tuple[str, ...]:
        replies = self._texts(node)
        if not replies and isinstance(node, yaml.SequenceNode):
            self._problem(node, "must be a list of at least one reply")
        return replies

    def _logprobs(self, node: yaml.Node) -> tuple[float, ...]:
        value = self._plain(node)
        if isinstance(value, bool):
            return (DEFAULT_LOGPROB,) if value else ()
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(one, int | float) and not isinstance(one, bool) and one <= 0 for one in values):
            self._problem(node, "must be true, false, or logarithms of probabilities: one number or several, none above 0")
            return ()
        return tuple(map(float, values))

    def _usage(self, node: yaml.Node) -> str | GivenUsage:
        if isinstance(node, yaml.MappingNode):
            fields = self._mapping(node, dict.fromkeys(("input", "output", "cached"), self._count), "usage", required=("input", "output"))
            return GivenUsage(input=fields.get("input", 0), output=fields.get("output", 0), cached=fields.get("cached", 0))
        return self._one_of(node, USAGES)

    def _fault(self, node: yaml.Node) -> Fault | None:
        readers: dict[str, Callable[[yaml.Node], Any]] = {
            kind: partial(self._one_of, values=values) if values else self._count for kind, values in FAULTS.items()
        }
        readers |= {"retry_after": self._text, "hang_s": self._seconds, "times": self._count}
        fields = self._mapping(node, readers, "a fault")
        kinds = [kind for kind in FAULTS if kind in fields]
        if len(kinds) != 1:
            self._problem(node, f"a fault has exactly one of {', '.join(FAULTS)}")
            return None
        value = fields.pop(kinds[0])
        return Fault(kind=kinds[0], value=value, **fields)

    def _mapping(self, node: yaml.Node, readers: Mapping[str, Callable[[yaml.Node], Any]], what: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, f"{what} must be a mapping")
            return fields
        for key, value in node.value:
            name = str(key.value)
            if name in readers:
                fields[name] = readers[name](value)
            else:
                self._problem(key, f"unknown key {name!r} in {what}{_nearest(name, readers)}")
        for name in required:
            if name not in fields:
                self._problem(node, f"{what} needs {name!r}")
        return fields

    def _pairs(self, node: yaml.Node, reader: Callable[[yaml.Node], Any]) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, "must be a mapping")
            return {}
        return {str(key.value): reader(value) for key, value in node.value}

    def _items(self, node: yaml.Node) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            self._problem(node, "must be a list")
            return []
        return list(node.value)

    def _texts(self, node: yaml.Node) -> tuple[str, ...]:
        return tuple(self._text(item) for item in self._items(node))

    def _text(self, node: yaml.Node) -> str:
        value = self._plain(node)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value)
        self._problem(node, "must be text")
        return ""

    def _count(self, node: yaml.Node) -> int:
        value = self._plain(node)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self._problem(node, "must be a whole number, 0 or more")
        return 0

    def _seconds(self, node: yaml.Node) -> float:
        value = self._plain(node)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return float(value)
        self._problem(node, "must be a number of seconds")
        return 0.0

    def _flag(self, node: yaml.Node) -> bool:
        value = self._plain(node)
        if isinstance(value, bool):
            return value
        self._problem(node, "must be true or false")
        return False

    def _one_of(self, node: yaml.Node, values: tuple[str, ...]) -> str:
        value = self._text(node)
        if value not in values:
            self._problem(node, f"{value!r} is not one of {', '.join(values)}{_nearest(value, values)}")
        return value

    def _plain(self, node: yaml.Node) -> Any:
        return yaml.SafeLoader.construct_document(yaml.SafeLoader(""), node)

    def _problem(self, node: yaml.Node, what: str) -> None:
        self.problems.append(f"{self._source}:{node.start_mark.line + 1}: {what}")


def _nearest(name: str, known: Any) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
