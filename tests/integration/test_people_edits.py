"""What is hidden from people stays hidden, however they write around it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pipeline.desk import at_answer, desk

SCRIPT = "rules: [{reply: 'Please call 555-0100, or pay with 4111 1111 1111 1111.'}]"


@pytest.mark.parametrize(
    "edit",
    ["I say {phone} to you, and {card}.", "Please call {phone}, or pay with 1{card}.", "Please call {phone}{phone}7, or pay with {card}."],
    ids=["without the words that tell what it is", "with a digit before it", "run together"],
)
async def test_a_hidden_value_is_not_shown_by_leaving_it_among_other_words(tmp_path: Path, edit: str) -> None:
    async with desk(tmp_path, at_answer(terms={"min_approvers": 2}, enough=2), SCRIPT) as people:
        case = await people.park()
        draft = (await case.shown())["context"]["draft"]["choices"][0]["content"]
        phone, card = re.findall(r"<[A-Z_]+>", draft)
        reply = await case.decide("edit", content=edit.format(phone=phone, card=card))
        assert (reply.status, reply.json["error"]["code"]) == (400, "placeholder_misplaced")
        assert (await case.shown())["context"]["draft"]["choices"][0]["content"] == draft
        fine = draft.replace("Please", "You can")
        await case.accept("edit", content=fine)
        assert (await case.shown())["context"]["draft"]["choices"][0]["content"] == fine
        await case.accept(by="Carol")
        assert await case.text() == fine
        assert not re.search(r"4111.?1111", str(case.record()))
