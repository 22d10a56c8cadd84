from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gateway.capabilities.redaction.tenants import redactor_for, scan_options
from gateway.settings import load

WriteConfig = Callable[..., Path]


def test_a_tenant_s_redactor_finds_what_the_tenant_added(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    added = (
        "    redaction: {patterns: {EMPLOYEE_ID: 'E-[0-9]{6}'}, words: {PROJECT: [red falcon]}, enable: [US_PASSPORT], countries: [DE]}\n    placeholder_key"
    )
    tenant = load(write_config(good_text, ("    placeholder_key", added)), good_env).tenants["acme"]
    options = scan_options(tenant.redaction)
    words = dict(options.words)
    assert (words, options.enable, options.countries) == (words | {"PROJECT": ("red falcon",)}, frozenset({"US_PASSPORT"}), frozenset({"DE"}))
    inspection = redactor_for(tenant, 0).inspect({"model": "m", "messages": [{"role": "user", "content": "E-123456 works on Red Falcon"}]})
    assert {found.category for found in inspection.findings} == {"EMPLOYEE_ID", "PROJECT"}
