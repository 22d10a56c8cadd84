from __future__ import annotations

import pytest

from gateway.domain import SECRET, Destination, Obligations


@pytest.mark.parametrize(
    ("granted", "category", "shown"),
    [
        ({"EMAIL_ADDRESS"}, "EMAIL_ADDRESS", True),
        ({"EMAIL_ADDRESS"}, "PHONE_NUMBER", False),
        ({"*"}, "PHONE_NUMBER", True),
        ({"*"}, SECRET, False),
        ({SECRET}, SECRET, False),
        (set(), "EMAIL_ADDRESS", False),
    ],
)
def test_only_what_is_granted_is_revealed_and_a_secret_never(granted: set[str], category: str, shown: bool) -> None:
    obligations = Obligations(reveal={Destination.MODEL: frozenset(granted)})
    assert obligations.reveals(Destination.MODEL, category) is shown
    assert obligations.reveals(Destination.CALLER, category) is False


def test_the_default_obligations_are_the_strictest() -> None:
    obligations = Obligations()
    assert not any(obligations.reveals(destination, "EMAIL_ADDRESS") for destination in Destination)
    assert (obligations.allow_unscanned, obligations.routes, obligations.max_tokens) == (False, None, None)
