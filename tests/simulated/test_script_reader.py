from __future__ import annotations

from pathlib import Path

import pytest

from gateway.simulated.script import FAULTS, GivenUsage, Script, ScriptError, ToolCall
from gateway.simulated.script_reader import load_script, parse_script

EVERYTHING = """\
models: [simulated-1, simulated-2]
rules:
  - name: all of it
    when: {model: simulated-2, contains: hello, tool_result: false, stream: true, header: {X-Trial: on-1}}
    extract: {ticket: 'T-[0-9]+'}
    reply: "About {ticket}: {echo}"
    chunks: 3
    first_token_ms: 5
    pace_ms: 1
    tool_calls: [{name: find, arguments: {email: "{placeholder:EMAIL_ADDRESS}", n: [1, 2]}}]
    usage: {input: 10, output: 5, cached: 2}
    logprobs: true
    finish_reason: length
    choices: 2
    fault: {status: 429, retry_after: 7, times: 1}
  - chunks: [one, " two"]
  - tool_calls: [{name: ping}]
  - reply: null
  - {replies: [one, "{echo}"], times: 2, when: {response_format: json_schema, anywhere: earlier}, logprobs: [-0.1, -2], fault: {content: fenced}}
  - {refusal: I cannot, logprobs: -0.05}
"""


def test_every_key_is_read() -> None:
    script = parse_script(EVERYTHING)
    rule, listed, called, silent, sequence, refusing = script.rules
    assert script.models == ("simulated-1", "simulated-2")
    assert rule.when.header == {"x-trial": "on-1"}
    assert rule.extract["ticket"].pattern == "T-[0-9]+"
    assert rule.tool_calls == (ToolCall(name="find", arguments={"email": "{placeholder:EMAIL_ADDRESS}", "n": [1, 2]}),)
    assert rule.usage == GivenUsage(input=10, output=5, cached=2)
    assert rule.fault is not None
    assert (rule.fault.kind, rule.fault.value, rule.fault.retry_after, rule.fault.times) == ("status", 429, "7", 1)
    assert (listed.reply, listed.chunks) == ("one two", ("one", " two"))
    assert (called.reply, called.tool_calls[0].arguments) == (None, {})
    assert silent.reply is None
    assert rule.logprobs == (-0.5,)
    assert (sequence.replies, sequence.times, sequence.logprobs) == (("one", "{echo}"), 2, (-0.1, -2.0))
    assert (sequence.when.response_format, sequence.when.anywhere) == ("json_schema", "earlier")
    assert (refusing.refusal, refusing.reply, refusing.logprobs) == ("I cannot", None, (-0.05,))


def test_an_empty_script_only_echoes() -> None:
    assert parse_script("") == Script()


def test_every_kind_of_fault_can_be_scripted() -> None:
    for kind, values in FAULTS.items():
        for value in values or (500,):
            fault = parse_script(f"rules: [{{fault: {{{kind}: {value}}}}}]").rules[0].fault
            assert fault is not None
            assert (fault.kind, fault.value) == (kind, value)


PROBLEMS: list[tuple[str, list[str]]] = [
    ("- a list", ["s.yaml:1: the script must be a mapping"]),
    ("rules: {}", ["s.yaml:1: must be a list"]),
    ("rules:\n  - repply: x", ["s.yaml:2: unknown key 'repply' in a rule (did you mean 'reply'?)"]),
    ("rules:\n  - reply: [x]\n    pace_ms: -1", ["s.yaml:2: must be text", "s.yaml:3: must be a whole number, 0 or more"]),
    ("rules:\n  - when: {tool_result: maybe}", ["s.yaml:2: must be true or false"]),
    (
        "rules:\n  - reply: x\n    fault: {rest: before}",
        [
            "s.yaml:3: unknown key 'rest' in a fault (did you mean 'reset'?)",
            "s.yaml:3: a fault has exactly one of status, reset, slow, malformed, cut, huge, content",
        ],
    ),
    ("rules:\n  - fault: {reset: befor}", ["s.yaml:2: 'befor' is not one of before, middle (did you mean 'before'?)"]),
    ("rules:\n  - fault: {reset: before, cut: close}", ["s.yaml:2: a fault has exactly one of status, reset, slow, malformed, cut, huge, content"]),
    ("rules:\n  - fault: {slow: header, hang_s: long}", ["s.yaml:2: must be a number of seconds"]),
    ("rules:\n  - reply: 'about {tickt}'\n    extract: {ticket: x}", ["s.yaml:2: {tickt} is quoted but not extracted (did you mean 'ticket'?)"]),
    ("rules:\n  - extract: {ticket: '('}", ["s.yaml:2: not a regular expression: missing ), unterminated subpattern"]),
    ("rules:\n  - {reply: a, replies: [b]}", ["s.yaml:2: a rule says one of reply and replies"]),
    ("rules:\n  - {refusal: a, replies: [b]}", ["s.yaml:2: a rule says one of replies and refusal"]),
    ("rules:\n  - {refusal: a, chunks: [b]}", ["s.yaml:2: the list of chunks is the reply: refusal cannot stand beside it"]),
    ("rules:\n  - replies: []", ["s.yaml:2: must be a list of at least one reply"]),
    ("rules:\n  - replies: one", ["s.yaml:2: must be a list"]),
    ("rules:\n  - replies: ['{tickt}']", ["s.yaml:2: {tickt} is quoted but not extracted"]),
    ("rules:\n  - times: -1", ["s.yaml:2: must be a whole number, 0 or more"]),
    ("rules:\n  - logprobs: 0.5", ["s.yaml:2: must be true, false, or logarithms of probabilities: one number or several, none above 0"]),
    ("rules:\n  - logprobs: [-1, often]", ["s.yaml:2: must be true, false, or logarithms of probabilities: one number or several, none above 0"]),
    ("rules:\n  - when: {response_format: json_objekt}", ["s.yaml:2: 'json_objekt' is not one of json_schema, json_object (did you mean 'json_object'?)"]),
    ("rules:\n  - tool_calls: [{arguments: {}}]", ["s.yaml:2: a tool call needs 'name'"]),
    ("rules:\n  - usage: {input: 1}", ["s.yaml:2: usage needs 'output'"]),
    ("rules:\n  - usage: given\n  - usage: gven", ["s.yaml:3: 'gven' is not one of given, omitted, absurd (did you mean 'given'?)"]),
    ("rules:\n\n  - reply: 'x", ["s.yaml:3: not YAML: found unexpected end of stream"]),
]


@pytest.mark.parametrize(("text", "problems"), PROBLEMS)
def test_a_problem_is_told_with_its_file_and_line(text: str, problems: list[str]) -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script(text, "s.yaml")
    assert caught.value.problems == problems


def test_a_file_that_is_not_there_is_one_clear_problem(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"nowhere.yaml: cannot be read \(FileNotFoundError\)"):
        load_script(tmp_path / "nowhere.yaml")
