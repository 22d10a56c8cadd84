"""Calls that mean different things to the two engines: regular expressions, formats, counting nothing, and negation of what may be undefined."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.capabilities.policy.builtins import PATTERN_ARGUMENT
from gateway.capabilities.policy.contract import UNICODE_DEPENDENT_REGEX
from gateway.capabilities.policy.problems import Problem
from gateway.capabilities.policy.rewrites import ascii_pattern, bound_negation
from gateway.capabilities.policy.syntax import Module, Node, Program, Reference, Rule, callee, literal_text, references, walk

_CONSTANTS = frozenset({"String", "RawString", "Number", "Bool", "Null", "ArrayCompr", "SetCompr", "ObjectCompr"})
_FORMAT = re.compile(r"%(?:%|[sdv])")


def check_call(module: Module, node: Node) -> Iterator[Problem]:
    """The problems of one call's arguments."""
    name, arguments = callee(node) or "", node["Call"]["params"]
    if name in PATTERN_ARGUMENT and len(arguments) > PATTERN_ARGUMENT[name]:
        yield from _pattern(module, arguments[PATTERN_ARGUMENT[name]], node)
    if name == "strings.count" and len(arguments) == 2 and _overlaps(literal_text(arguments[1]) or ""):
        yield Problem(
            module.file,
            *module.place(node),
            "strings.count counts this differently in the two engines",
            "count a literal text that cannot overlap itself",
            "count-overlap",
        )
    if name == "sprintf" and arguments:
        yield from _format(module, arguments[0], node)


def _overlaps(text: str) -> bool:
    """Whether two occurrences can share characters (``aa`` in ``aaa``); the empty text, and one that is not literal, may."""
    return not text or any(text.startswith(text[-length:]) for length in range(1, len(text)))


def _pattern(module: Module, pattern: Node, call: Node) -> Iterator[Problem]:
    text = literal_text(pattern)
    if text is None:
        yield Problem(
            module.file, *module.place(call), "the regular expression is not literal", "write it where it is used, so that it can be checked", "regex-literal"
        )
        return
    if UNICODE_DEPENDENT_REGEX.search(text):
        better = ascii_pattern(text)
        hint = f"write `{better}`" if better else "use ASCII classes: [0-9], [a-z], [ \\t]"
        yield Problem(module.file, *module.place(pattern), "the regular expression means different things to the two engines", hint, "regex-class")
    elif not _compiles(text):
        yield Problem(module.file, *module.place(pattern), "the regular expression does not compile", "correct it", "regex-syntax")


def _compiles(text: str) -> bool:
    try:
        re.compile(text.replace("[[:", "[").replace(":]]", "]"))
    except re.error:
        return False
    return True


def _format(module: Module, template: Node, call: Node) -> Iterator[Problem]:
    text = literal_text(template)
    if text is None or "%" in _FORMAT.sub("", text):
        yield Problem(
            module.file,
            *module.place(call),
            "sprintf needs a literal format of %s, %d, %v and %%",
            "other verbs differ between the engines: write %v",
            "format",
        )


def check_negation(program: Program, module: Module, node: Node) -> Iterator[Problem]:
    """``not f(x.y)``: where ``x.y`` is undefined, one engine says true and the other nothing at all."""
    for call in walk(node["NotExpr"]["expr"]):
        for argument in call["Call"]["params"] if "Call" in call else ():
            for part, found in references(argument):
                if _may_be_undefined(program, module, found):
                    hint = bound_negation(module, node, part, program.resolve(module, str(found.name), found.literal))
                    yield Problem(module.file, *module.place(node), "`not` of a call whose argument may be undefined", hint, "negated-call")
                    return


def _may_be_undefined(program: Program, module: Module, found: Reference) -> bool:
    path = program.resolve(module, str(found.name), found.literal)
    if path is None or path in {("input",), ("data",)}:
        return bool(found.segments)
    rules = program.rules.get(path[1:], []) if path[0] == "data" else []
    return not any(rule.kind in {"default", "set", "function"} or _always_defined(rule) for rule in rules)


def _always_defined(rule: Rule) -> bool:
    """Whether a rule has a value whatever the input: ``text := object.get(input.answer, "text", "")`` without a condition."""
    assign = next(iter(rule.node["Spec"]["head"].values())).get("assign") if "Spec" in rule.node else None
    if rule.keyed or not assign or rule.node["Spec"]["bodies"]:
        return False
    value = assign["value"]
    return callee(value) == "object.get" or next(iter(value)) in _CONSTANTS
