"""Forty canary values of every kind that is found, made the same on every run; and the search for them in whatever form they may have left."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote, quote_plus

import re2

_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"


class Canary(NamedTuple):
    """A value, and a text that holds it as people would write it."""

    kind: str
    category: str
    value: str
    text: str

    @property
    def identifier(self) -> str:
        """The value where it gives itself away, else a harmless one: 32 letters in the place of an id are an id."""
        return "id_1" if self.kind in _CUED else self.value

    @property
    def secret(self) -> bool:
        """Whether nobody may ever get it, not even who sent it."""
        return self.category == "SECRET"


class Hit(NamedTuple):
    """A canary where it must not be."""

    place: str
    kind: str
    form: str


_Draw = Callable[[int, str], str]

_CUED = frozenset({"licence", "routing", "bearer", "password", "client secret", "api key", "url password", "private key"})
"""Kinds that are only found by the words beside them."""

# Kind, category, the text around the value, and two values: one that callers send, one that models bring. All are from ranges reserved for examples and tests.
_FIXED = (
    ("email", "EMAIL_ADDRESS", "write to {} today", "quill.marlow@example.com", "odo.brandt@example.net"),
    ("email with digits", "EMAIL_ADDRESS", "mail {} please", "zoe_7@mail.example.org", "k9-unit@mail.example.org"),
    ("card", "CREDIT_CARD", "card {} exp 01/30", "4242424242424242", "4012888888881881"),
    ("card of fifteen digits", "CREDIT_CARD", "amex {} thanks", "378282246310005", "371449635398431"),
    ("card in groups", "CREDIT_CARD", "card {} ok", "5555-5555-5555-4444", "5105-1051-0510-5100"),
    ("phone", "PHONE_NUMBER", "call {} now", "+1 202-555-0147", "+1 303-555-0182"),
    ("phone with brackets", "PHONE_NUMBER", "ring {} please", "(415) 555-0132", "(612) 555-0171"),
    ("iban", "IBAN_CODE", "IBAN {} ok", "DE89370400440532013000", "NL91ABNA0417164300"),
    ("iban of letters", "IBAN_CODE", "iban {} ok", "GB82WEST12345698765432", "FR1420041010050500013M02606"),
    ("ssn", "US_SSN", "SSN {}", "078-05-1120", "219-09-9999"),
    ("ipv4", "IP_ADDRESS", "the server {} is down", "203.0.113.61", "198.51.100.217"),
    ("ipv6", "IP_ADDRESS", "ping {} again", "2001:db8:85a3::8a2e:370:7334", "2001:db8:1f00::c0de:99:4d21"),
    ("mac", "MAC_ADDRESS", "mac {}", "00:00:5E:00:53:AF", "00:00:5E:00:53:1C"),
    ("nino", "UK_NINO", "national insurance number {}", "AB123456C", "AB654321D"),
    ("nhs", "UK_NHS", "my NHS number is {}", "943 476 5919", "999 000 0034"),
    ("licence", "US_DRIVER_LICENSE", "driver license number {}", "D1234567", "K7654321"),
    ("routing", "ABA_ROUTING_NUMBER", "routing number {}", "021000021", "011401533"),
    ("cpf", "BR_CPF", "CPF {}", "529.982.247-25", "111.444.777-35"),
    ("coin", "CRYPTO", "wallet {}", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    ("tenant pattern", "EMPLOYEE_ID", "badge {}", "E-204817", "E-990112"),
    ("tenant word", "PROJECT", "project {}", "bluebird", "red falcon"),
)

_SECRETS: tuple[tuple[str, str, Callable[[_Draw], str]], ...] = (
    ("cloud key", "use {}", lambda draw: "AKIA" + draw(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
    ("code host token", "use {}", lambda draw: "ghp_" + draw(36, _ALNUM)),
    ("other code host token", "use {}", lambda draw: "glpat-" + draw(20, _ALNUM)),
    ("chat token", "use {}", lambda draw: "xoxb-" + draw(11, string.digits) + "-" + draw(24, _ALNUM)),
    ("payment key", "use {}", lambda draw: "sk_live_" + draw(24, _ALNUM)),
    ("model key", "use {}", lambda draw: "sk-proj-" + draw(40, _ALNUM)),
    ("other model key", "use {}", lambda draw: "sk-ant-" + draw(40, _ALNUM)),
    ("hub token", "use {}", lambda draw: "hf_" + draw(34, _ALNUM)),
    ("registry token", "use {}", lambda draw: "npm_" + draw(36, _ALNUM)),
    ("mail key", "use {}", lambda draw: "SG." + draw(22, _ALNUM) + "." + draw(43, _ALNUM)),
    ("maps key", "use {}", lambda draw: "AIza" + draw(35, _ALNUM)),
    ("host token", "use {}", lambda draw: "dop_v1_" + draw(64, _HEX)),
    ("shop token", "use {}", lambda draw: "shpat_" + draw(32, _HEX)),
    ("jwt", "token {}", lambda draw: "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjYW5hcnkifQ." + draw(43, _ALNUM)),
    ("url password", "clone https://deploy:{}@git.example.com/x", lambda draw: draw(14, _ALNUM)),
    ("bearer", "Authorization: Bearer {}", lambda draw: draw(32, _ALNUM)),
    ("password", "password={}", lambda draw: draw(16, _ALNUM)),
    ("client secret", 'with "client_secret": "{}" in it', lambda draw: draw(28, _ALNUM)),
    ("api key", "api_key: {}", lambda draw: draw(32, _ALNUM)),
    ("private key", "-----BEGIN RSA PRIVATE KEY-----\n{}\nMIIE\n-----END RSA PRIVATE KEY-----", lambda draw: draw(64, _ALNUM)),
)


def canaries(*, brought: bool) -> list[Canary]:
    """The values that callers send, or those that models bring; no value is in both."""
    random_ = random.Random(41 if brought else 17)

    def draw(size: int, alphabet: str) -> str:
        while True:
            drawn = "".join(random_.choice(alphabet) for _ in range(size))
            # What vendors issue nearly always has both, and the rest is the scanner's own tests' to judge.
            if any(char.isdigit() for char in drawn) and (alphabet == string.digits or any(char.isalpha() for char in drawn)):
                return drawn

    fixed = [Canary(kind, category, value, text.format(value)) for kind, category, text, *values in _FIXED for value in values[brought : brought + 1]]
    made = [(kind, text, make(draw)) for kind, text, make in _SECRETS]
    return fixed + [Canary(kind, "SECRET", value, text.format(value)) for kind, text, value in made]


def forms(value: str) -> dict[str, bytes]:
    """The forms in which a value may have left, by name: raw, base64 at each of the three alignments, URL-encoded, JSON-escaped."""
    raw = value.encode()
    found = {
        "raw": raw,
        "url": quote(value, safe="").encode(),
        "url form": quote_plus(value).encode(),
        "json": json.dumps(value)[1:-1].encode(),
        "json twice": json.dumps(json.dumps(value))[3:-3].encode(),
        "json slashes": value.replace("/", "\\/").encode(),
        "unicode escapes": "".join(f"\\u{ord(char):04x}" for char in value).encode(),
        "unicode escapes in capitals": "".join(f"\\u{ord(char):04X}" for char in value).encode(),
        "hexadecimal": raw.hex().encode(),
    }
    for shift in range(3):
        inner = slice((shift * 8 + 5) // 6, (shift + len(raw)) * 8 // 6)
        for name, encode in (("base64", base64.b64encode), ("base64 for URLs", base64.urlsafe_b64encode)):
            found[f"{name} at {shift}"] = encode(bytes(shift) + raw)[inner]
    return found


class Search:
    """Looks for every form of every value in one pass."""

    def __init__(self, wanted: Iterable[Canary]) -> None:
        self._known: dict[bytes, tuple[str, str]] = {}
        for canary in wanted:
            for name, needle in forms(canary.value).items():
                self._known.setdefault(needle, (canary.kind, name))
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.max_mem = 256 << 20
        self._pattern = re2.compile(b"|".join(re2.escape(needle) for needle in sorted(self._known, key=len, reverse=True)), options)

    def hits(self, places: Mapping[str, bytes]) -> set[Hit]:
        """Every canary found, by place, kind and form."""
        return {Hit(place, *self._known[found.group()]) for place, content in places.items() for found in self._pattern.finditer(content)}
