import unicodedata

import pytest

from gateway.capabilities.confidence.refusal_phrases import LANGUAGES, Language
from gateway.capabilities.confidence.refusals import refuses


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_phrases_are_written_as_texts_are_read(language: Language) -> None:
    phrases = [phrase for group in language[1:] for phrase in group]
    assert phrases
    assert [
        phrase for phrase in phrases if phrase != " ".join(unicodedata.normalize("NFC", phrase).casefold().split()) or not phrase or "\u2019" in phrase
    ] == []


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_every_stem_declines_with_every_verb_and_every_whole_by_itself(language: Language) -> None:
    negations = language.negations or ("",)
    said = [" ".join(filter(None, (stem, negation, f"{verb} x"))) for stem in language.stems for negation in negations for verb in language.verbs]
    assert [text for text in (*said, *language.whole) if not refuses(text.capitalize())] == []
    assert [opener for opener in language.openers if not refuses(f"{opener}, {language.whole[0]}")] == []
    assert [aside for aside in language.asides if not refuses(f"{aside} x. {language.whole[0]}")] == []
