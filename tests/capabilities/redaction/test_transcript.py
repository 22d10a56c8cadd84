from __future__ import annotations

from gateway.capabilities.redaction.transcript import choices


def test_an_answer_in_the_form_of_comparison() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = {
        "choices": [
            {"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"},
            {"index": 1, "message": {"content": "", "refusal": None, "tool_calls": [call]}, "finish_reason": "tool_calls"},
            {"message": {"function_call": {"name": "g", "arguments": "[]"}}},
        ]
    }
    assert choices(body) == [
        {"index": 0, "content": "hi", "refusal": None, "tool_calls": [], "finish_reason": "stop"},
        {"index": 1, "content": None, "refusal": None, "tool_calls": [{"id": "c", "name": "f", "arguments": "{}"}], "finish_reason": "tool_calls"},
        {"index": 2, "content": None, "refusal": None, "tool_calls": [{"id": None, "name": "g", "arguments": "[]"}], "finish_reason": None},
    ]


def test_an_answer_without_choices_has_none() -> None:
    assert choices({}) == choices({"choices": None}) == choices({"choices": ["odd"]}) == []
