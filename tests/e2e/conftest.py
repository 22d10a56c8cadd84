"""One gateway for all tests that only call it, and a way to make another for those that stop or change it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import openai
import pytest

from tests.e2e.deployment import Deployment, Provider

Deploy: TypeAlias = Callable[[Mapping[str, str]], Deployment]


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    running = Provider(tmp_path_factory.mktemp("provider"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Deployment:
    """A gateway that was made ready and never runs: the others begin as copies of it."""
    return Deployment(tmp_path_factory.mktemp("prepared"), provider)


@pytest.fixture(scope="session")
def key(prepared: Deployment) -> str:
    """A key of team support, good in every gateway of the tests."""
    return prepared.new_key("--name", "e2e")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, prepared: Deployment, key: str) -> Iterator[Deployment]:
    """A running gateway that no test stops or changes."""
    deployment = Deployment(tmp_path_factory.mktemp("served"), prepared.provider, like=prepared)
    deployment.start()
    yield deployment
    deployment.stop()


@pytest.fixture
def deploy(tmp_path: Path, prepared: Deployment, key: str) -> Iterator[Deploy]:
    """Makes a gateway of the test's own, not yet started; it is ended with the test."""
    made: list[Deployment] = []

    def make(changes: Mapping[str, str]) -> Deployment:
        made.append(Deployment(tmp_path / f"gateway{len(made)}", prepared.provider, changes, like=prepared))
        return made[-1]

    yield make
    for deployment in made:
        deployment.stop()


@pytest.fixture
def client(served: Deployment, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.base_url}/v1", api_key=key, max_retries=0, timeout=20) as made:
        yield made


@pytest.fixture
async def async_client(served: Deployment, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{served.base_url}/v1", api_key=key, max_retries=0, timeout=20) as made:
        yield made
