"""Credentials that say themselves what they are."""

from __future__ import annotations

import random
import string

import pytest

from gateway.capabilities.findings.detectors.secret_prefixes import PREFIXES
from gateway.capabilities.findings.scanner import Scanner

SCANNER = Scanner()
DRAWN = random.Random(7)
HEX = "0123456789abcdef"
CAPITALS = string.ascii_uppercase + "234567"


def drawn(count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """Random, with a digit in it."""
    return "".join(DRAWN.choice(alphabet) for _ in range(count - 1)) + "7"


VALUES = {
    "aws key id": "AKIA" + drawn(16, CAPITALS),
    "google": "AIza" + drawn(35),
    "google oauth": "ya29." + drawn(60),
    "github": "ghp_" + drawn(36),
    "github fine-grained": "github_pat_" + drawn(22) + "_" + drawn(59),
    "gitlab": "glpat-" + drawn(20),
    "slack": "xoxb-123456789012-1234567890123-" + drawn(24),
    "stripe": "sk_live_" + drawn(24),
    "openai": "sk-proj-" + drawn(74),
    "anthropic": "sk-ant-api03-" + drawn(93),
    "hugging face": "hf_" + drawn(34),
    "npm": "npm_" + drawn(36),
    "pypi": "pypi-AgEIcHlwaS5vcmc" + drawn(70),
    "sendgrid": "SG." + drawn(22) + "." + drawn(43),
    "twilio": "SK" + drawn(32, HEX),
    "telegram": "110201543:AA" + drawn(33),
    "discord": "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ." + drawn(27),
    "discord webhook": "https://discord.com/api/webhooks/123456789012345678/" + drawn(68),
    "slack webhook": "https://hooks.slack.com/services/T00000000/B00000000/" + drawn(24),
    "databricks": "dapi" + drawn(32, HEX),
    "vault": "hvs." + drawn(95),
    "doppler": "dp.pt." + drawn(43),
    "airtable": "pat" + drawn(14) + "." + drawn(64, HEX),
    "entra": "abc8Q~" + drawn(34),
    "age": "AGE-SECRET-KEY-1" + drawn(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    "jwt": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + drawn(43),
    "rsa key": f"-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA{drawn(48)}\n{drawn(64)}\n-----END RSA PRIVATE KEY-----",
    "key in json": f"-----BEGIN PRIVATE KEY-----\\nMIIE{drawn(60)}\\n-----END PRIVATE KEY-----",
    "openssh key": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{drawn(64)}\n{drawn(64)}\n-----END OPENSSH PRIVATE KEY-----",
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("frame", ["here is {} for you", "KEY={}\n", '{{"x": "{}"}}', "({}), then"])
def test_a_credential_is_found_whole_wherever_it_stands(name: str, frame: str) -> None:
    value = VALUES[name]
    text = frame.format(value)
    assert [(f.category, text[f.start : f.end]) for f in SCANNER.scan(text)] == [("SECRET", value)]


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn-contrib-something-long and sk-xxxxxxxxxxxxxxxxxxxxxxxx",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "the header -----BEGIN PRIVATE KEY----- opens it",
        "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIE\n-----END CERTIFICATE-----",
        "https://user@example.com/path and https://example.com:8080/a@b",
        "http://user:password@example.com and https://user:$PASSWORD@example.com",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7",
        "integrity sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
    ],
)
def test_what_only_looks_like_one_is_none(text: str) -> None:
    assert [f for f in SCANNER.scan(text) if f.category == "SECRET"] == []


@pytest.mark.parametrize("text", ["postgres://app:{}@db.example.com:5432/x", "redis://:{}@192.0.2.4:6379", "mongodb+srv://u:{}@cluster0.example.net"])
def test_the_password_in_a_url_is_found(text: str) -> None:
    whole = text.format("pa55w0rd!")
    assert ("SECRET", "pa55w0rd!") in [(f.category, whole[f.start : f.end]) for f in SCANNER.scan(whole)]


def test_many_vendors_are_known() -> None:
    assert sum(map(len, PREFIXES.values())) >= 150
