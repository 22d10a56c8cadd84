from __future__ import annotations

import pytest

from gateway.capabilities.tasks.claims import free, unheld
from gateway.domain_tasks import TaskState
from gateway.infrastructure.database_intents import StaleError
from tests.capabilities.waiting_rows import ANN, BOB, a_task


@pytest.mark.parametrize(("by", "now_ns", "held"), [(ANN, 0, False), (BOB, 0, True), (BOB, 4_999, True), (BOB, 5_000, False)])
def test_who_claimed_a_task_holds_it_until_the_claim_lapses(by: str, now_ns: int, held: bool) -> None:
    task = a_task(state=TaskState.CLAIMED)
    if not held:
        assert unheld(task, by, now_ns) == task
        return
    with pytest.raises(StaleError) as caught:
        unheld(task, by, now_ns)
    assert (caught.value.state, caught.value.claimed_name) == ("claimed", "Ann")


def test_a_task_that_is_free_is_the_next_version_and_nobodys() -> None:
    assert free(a_task(state=TaskState.CLAIMED)) == a_task()._replace(version=2)
    assert unheld(a_task(), BOB, 0) == a_task()
