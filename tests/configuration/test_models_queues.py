from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.configuration.models_queues import QueueShape, WaitingShape


def test_a_queue_needs_nothing_but_its_name() -> None:
    queue = QueueShape.model_validate({})
    assert (queue.due_s, queue.expires_s, queue.claim_s, queue.on_expiry, queue.teams, queue.webhook) == (3600, 86400, 900, "refuse", (), None)


@pytest.mark.parametrize("on_expiry", ["refuse", "release", "queue:reviews", "queue:a.b-c_1"])
def test_an_expired_task_has_somewhere_to_go(on_expiry: str) -> None:
    assert QueueShape.model_validate({"on_expiry": on_expiry}).on_expiry == on_expiry


@pytest.mark.parametrize("written", ["", "deny", "Refuse", "queue", "queue:", "queue:Bad Name", "queue:a\n", "reviews"])
def test_any_other_end_is_refused_without_quoting_it(written: str) -> None:
    with pytest.raises(ValidationError) as caught:
        QueueShape.model_validate({"on_expiry": written})
    assert [error["msg"] for error in caught.value.errors()] == ["must be refuse, release or queue:NAME"]


@pytest.mark.parametrize(
    "written",
    [
        {"due_s": 0},
        {"due_s": -1},
        {"expires_s": 31_536_001},
        {"expires_s": float("inf")},
        {"claim_s": 0},
        {"claim_s": 86_401},
        {"teams": ("a", "a")},
        {"teams": ("",)},
        {"webhook": {"url": "https://hooks.example.com"}},
        {"webhook": {"url": "ftp://hooks.example.com", "secret": "env:S"}},
        {"webhook": {"url": "https://u:p@hooks.example.com", "secret": "env:S"}},
        {"webhook": {"url": "https://hooks.example.com", "secret": "whsec_c2VjcmV0"}},
        {"skills": ()},
    ],
)
def test_a_queue_out_of_range_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        QueueShape.model_validate(written)


@pytest.mark.parametrize("written", [{"keep_s": 0}, {"join_s": -1}, {"join_s": 86_401}, {"sweep_s": 0}, {"sweep_s": 61}, {"poll_s": 0.001}])
def test_waiting_out_of_range_is_refused(written: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        WaitingShape.model_validate(written)
    assert WaitingShape.model_validate({"join_s": 0}).join_s == 0
