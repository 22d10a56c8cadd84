from __future__ import annotations

import pytest

from gateway.errors import Overloaded
from gateway.infrastructure.model_client import ModelClient, Slots, TargetOptions
from gateway.infrastructure.model_openai import OpenAIClient

OPTIONS = TargetOptions(name="there", base_url=None, model="m", api_key="sk-test", concurrent=2)


def test_slots_are_taken_up_to_the_limit_and_free_again() -> None:
    slots = Slots(OPTIONS)
    slots.take()
    slots.take()
    with pytest.raises(Overloaded, match="target there") as refused:
        slots.take()
    assert refused.value.headers == {"Retry-After": "1"}
    slots.release()
    slots.take()
    assert slots.in_use == 2


def test_the_api_key_does_not_show_in_the_options() -> None:
    assert "sk-test" not in repr(OPTIONS)


def test_the_clients_have_one_interface() -> None:
    client: ModelClient = OpenAIClient(OPTIONS)
    assert client.options is OPTIONS
    assert client.in_use == 0
