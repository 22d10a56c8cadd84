from __future__ import annotations

from gateway.capabilities.schemas.model import Failure
from gateway.capabilities.schemas.repair import repair_message


def test_the_model_is_told_each_place_with_its_keyword() -> None:
    told = repair_message([Failure("/required", "required"), Failure("/properties/a", "false")], truncated=False)
    assert "- /required (required)\n- /properties/a (nothing is allowed there)\n" in told
    assert "cut off" not in told


def test_the_model_is_told_that_its_answer_was_cut_off() -> None:
    told = repair_message([Failure("", "json")], truncated=True)
    assert "cut off" in told
    assert "- it is not one JSON value\n" in told


def test_what_has_no_place_is_said_in_words() -> None:
    told = repair_message([Failure("", "size"), Failure("", "depth"), Failure("", "false")], truncated=False)
    assert "too large" in told
    assert "too deeply" in told
    assert "- the schema (nothing is allowed there)" in told
