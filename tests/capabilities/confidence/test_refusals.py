from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.confidence.refusal_phrases import LANGUAGES
from gateway.capabilities.confidence.refusals import BEGINNING, is_refusal, refuses

REFUSALS = [
    "I'm sorry, but I can't assist with that request.",
    "I\u2019m sorry, I cannot help with that.",
    "Sorry, but I am unable to provide that.",
    "I cannot provide that.",
    "As an AI language model, I cannot provide medical advice.",
    "Unfortunately, I'm not able to directly answer this.",
    "I must decline.",
    "I won't help with this.",
    "I understand your frustration. However, I can't help with that.",
    "I understand that you are upset, but I can't help with that.",
    "I can\u2019t share that",
    "I'm sorry to hear that you're feeling this way, but I'm unable to provide the help that you need.",
    "**I'm sorry**, but I won't be able to fulfill this request.",
    "I can't in good conscience help with this.",
    "Thank you for asking. I can't share that.",
    "I apologize, but I\ncannot  create that.",
    "  \n> Sorry\u2014I can't do that.",
    "I don't have enough information to answer.",
    "I AM SORRY, I CANNOT ASSIST.",
    "I'm not comfortable discussing this.",
    "Es tut mir leid, aber ich kann Ihnen dabei nicht helfen.",
    "Leider kann ich diese Anfrage nicht erf\u00fcllen.",
    "Ich kann keine medizinische Beratung geben.",
    "Ich bin leider nicht in der Lage, Ihnen zu helfen.",
    "Entschuldigung, das darf ich nicht beantworten: ich muss ablehnen.",
    "Tut mir leid, ich kann nicht weiterhelfen.",
    "Je suis d\u00e9sol\u00e9, mais je ne peux pas vous aider.",
    "D\u00e9sol\u00e9, je ne peux pas r\u00e9pondre \u00e0 cette demande.",
    "Je suis de\u0301sole\u0301, je ne peux pas vous aider.",
    "Je ne suis pas en mesure de fournir ces informations.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "No puedo proporcionar esa informaci\u00f3n.",
    "Mi dispiace, ma non posso aiutarti.",
    "Purtroppo non sono in grado di rispondere.",
    "Desculpe, mas n\u00e3o posso ajudar com isso.",
    "Infelizmente, n\u00e3o consigo fornecer isso.",
    "Het spijt me, maar ik kan je daar niet mee helpen.",
    "Ik kan geen medisch advies geven.",
    "Helaas kan ik deze vraag niet beantwoorden.",
]
ORDINARY = [
    "",
    " ",
    "Paris",
    "No, 7 is prime.",
    '{"answer": "I cannot help"}',
    "I can help with that.",
    "I'm sorry to hear that! Here is how to reset your password.",
    "Sorry for the delay, here it is.",
    "Sorry about that! The right answer is 42.",
    "I apologize for the confusion. The total is 12.",
    "I can't believe how good it was.",
    "I can't help but smile.",
    "I can't wait to help you!",
    "She said she was sorry and could not help.",
    "The word 'sorry' means regret.",
    "Dear Ms Doe,\n\nI'm sorry, but I can't come on Friday.",
    "I cannot give enough praise for this.",
    "Unfortunately, the train is late.",
    "I won't lie: it is hard.",
    "I understand. Here is the list.",
    "As an AI engineer, you will write code.",
    "I am unable to sleep, wrote the poet.",
    "Ich kann Ihnen gerne helfen.",
    "Ich kann nicht anders, als Ihnen zu helfen.",
    "Es tut mir leid, dass Sie warten mussten. Hier ist die Liste.",
    "Leider regnet es.",
    "Ich kann das nicht glauben! Hier wird Ihnen geholfen.",
    "Je ne peux pas m'emp\u00eacher de rire.",
    "D\u00e9sol\u00e9 pour le retard, voici la liste.",
    "No puedo esperar a verte.",
    "Lo siento mucho por la espera. Aqu\u00ed est\u00e1 la lista.",
    "Non posso crederci!",
    "Mi dispiace per il ritardo. Ecco la lista.",
    "Ik kan je helpen.",
    "Sorry voor het wachten, hier is de lijst.",
    "N\u00e3o posso reclamar, vai tudo bem.",
    "Desculpe a demora. Aqui est\u00e1 a lista.",
    "x" * BEGINNING + " I'm sorry, but I can't assist with that.",
    "The policy says: I'm sorry, but I can't assist with that.",
    "Sorry " * 200,
    "ich kann " * 100,
    "ik kan nog ",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_the_wording_of_a_refusal_is_recognised_in_seven_languages(text: str) -> None:
    assert refuses(text)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_sentences_are_no_refusals(text: str) -> None:
    assert not refuses(text)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": None, "refusal": "I can't do that."}, True),
        ({"content": "Paris", "refusal": None}, False),
        ({"content": "I'm sorry, I can't help with that."}, True),
        ({"content": [{"type": "refusal", "refusal": "No."}]}, True),
        ({"content": [{"type": "text", "text": "I cannot assist."}]}, True),
        ({"content": [{"type": "text", "text": "Paris"}, "junk", {"text": 1}]}, False),
        ({"content": None, "tool_calls": [{"id": "1"}]}, False),
        ({"content": 5}, False),
        ({}, False),
    ],
)
def test_a_message_refuses_by_its_field_or_its_wording(message: dict[str, Any], expected: bool) -> None:
    assert is_refusal(message) is expected


@given(
    st.lists(
        st.sampled_from(
            [phrase for language in LANGUAGES for phrase in (*language.asides, *language.openers, *language.stems, *language.negations, *language.fillers)]
            + [".", ",", "\n", "x"]
        )
    )
)
def test_whatever_is_put_together_is_read_to_its_end(phrases: list[str]) -> None:
    assert refuses(" ".join(phrases)) in {True, False}


@given(st.sampled_from(REFUSALS), st.text(max_size=50))
def test_what_follows_a_refusal_does_not_undo_it(refusal: str, after: str) -> None:
    assert refuses(refusal + " " + after)
