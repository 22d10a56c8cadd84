"""Credentials that only their name gives away."""

from __future__ import annotations

import pytest

from gateway.capabilities.findings.scanner import Scanner

SCANNER = Scanner()
KEY = "q7Zr2LmX9vT4bN8sK1wD5cF3hJ6gP0aY"


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("aws_secret_access_key = ", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""),
        ('"password": "', "hunter2hunter", '"'),
        ("password: '", "s3cr3t!Pass", "'"),
        ("DB_PASSWORD=", "Tr0ub4dor&3", "\n"),
        ('export API_KEY="', KEY, '"'),
        ('heroku_api_key = "', "12345678-abcd-4321-abcd-1234567890ab", '"'),
        ("client_secret=", KEY, "&x=1"),
        ("Authorization: Bearer ", KEY, ""),
        ("Authorization: Basic ", "dXNlcjpwYXNzd29yZDEyMw==", ""),
        ("Server=x;Password=", "P@ssw0rd123", ";"),
        ("AccountKey=", KEY * 2 + "==", ";Endpoint"),
        ('curl -H "X-Api-Key: ', KEY, '"'),
        ("--password ", "hunter2!", " -x"),
        ("my password is ", "hunter2abc", "."),
        ("<password>", "hunter22", "</password>"),
        ('{\\"password\\": \\"', "hunter2x9", '\\"}'),
        ('password => "', "abcDEF123!", '"'),
        ("'pass': '", "Winter2024!", "'"),
        ('jwt_secret: "', "myS3cretKey99", '"'),
        ('{"auth_token":"', KEY, '"}'),
    ],
)
def test_a_named_credential_is_found_exactly(before: str, value: str, after: str) -> None:
    text = f"x {before}{value}{after}"
    assert [(f.category, text[f.start : f.end]) for f in SCANNER.scan(text)] == [("SECRET", value)]


@pytest.mark.parametrize(
    "text",
    [
        "password = get_password()",
        "token = request.headers.get('authorization')",
        "api_key = settings.api_key",
        'api_key = "your-api-key-here"',
        'password: "${DB_PASSWORD}"',
        'password = "********"',
        'if password == "": raise ValueError("password is required")',
        "password must have 12 characters",
        "primary_key=True, foreign_key='users.id'",
        'cache_key = f"user:{user_id}:profile"',
        'public_key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"',
        '"idempotency-key": "3f0b6f2e-9c57-4a77-8a54-0f6f2d0e3a11"',
        "the key takeaway is: 42; secret santa on 12/24; bearer of news; basic authentication",
        "compass=123abc bypass: 456def",
        '("client_secret", "token_endpoint_auth_method", "kadmin/passwd", "kadmin/server")',
    ],
)
def test_code_and_prose_about_credentials_hold_none(text: str) -> None:
    assert SCANNER.scan(text) == ()
