"""The shapes of finished traces."""

from __future__ import annotations

from opentelemetry.trace import SpanKind

from gateway.infrastructure.telemetry.spans import CLIENT, INTERNAL, SERVER, Resource


def test_the_kinds_are_otlps_numbers_which_are_the_sdks_plus_one() -> None:
    assert {INTERNAL: SpanKind.INTERNAL.value + 1, SERVER: SpanKind.SERVER.value + 1, CLIENT: SpanKind.CLIENT.value + 1} == {1: 1, 2: 2, 3: 3}


def test_a_resource_names_service_version_and_instance_as_the_conventions_do() -> None:
    assert Resource("1.2.3", "one").attributes() == {"service.name": "execution-gateway", "service.version": "1.2.3", "service.instance.id": "one"}
