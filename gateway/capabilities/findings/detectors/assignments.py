"""Credentials that only their name gives away: ``password = "..."``, ``api_key: ...``, ``Authorization: Bearer ...``, ``--token ...``.

The name is found by plain searches for its stem, the rest by patterns matched at that place. A value that fills in for one (``your-api-key``, ``${TOKEN}``,
``os.environ[...]``) is none.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from gateway.capabilities.findings.model import Candidate, Tail, View

_STRONG = (b"passw", b"passphrase", b"passwd", b"pwd", b"secret", b"contrase")
_WEAK = (b"token", b"key", b"auth", b"cred", b"sig=", b"signature=", b"session", b"cookie")
_SCHEMES = (b"bearer ", b"basic ", b"token ", b"apikey ")

JUDGED = 128
"""A value is judged by its first characters; the rest only prolongs it."""

_LINK = re.compile(
    rb"(?P<rest>[a-z0-9_.\-]{0,32}+)(?P<close>\\{0,2}[\"'`\])]{0,2}+)(?:[ \t]{0,8}+(?:=>|:=|={1,3}|:(?!:)|,(?=[ ]?[\"']))[ \t]{0,8}+|(?: is | are |>|: {0,2}\n {0,8}))(?P<type>\(\w{1,12}\))?"
    rb"(?P<open>[rbuf@]?\\{0,2}[\"'`]{1,3}+)?"
)
_OPTION = re.compile(rb"(?P<rest>[a-z0-9_\-]{0,24}+)(?P<close>)[ ](?P<open>[\"']?)(?=[^\s\-])")
_QUALIFIER = re.compile(
    rb"(?:api|apis|access|secret|private|auth|account|encryption|encrypt|signing|sign|master|shared|app|application|client|consumer|license|licence|subscription|storage|service|"
    rb"deploy|ssh|bot|admin|x|oauth|aes|hmac|jwt|rsa|webhook|rapidapi|server|write|ingest|host|function|primary|secondary|root|user|integration|product|registration)[_\-. ]?\Z"
)
_NOT_A_VALUE_NAME = re.compile(
    rb"(?:field|url|uri|label|type|name|hint|placeholder|length|len|min|max|policy|path|file|count|limit|usage|reset|regex|pattern|hash_?algo\w*|id\Z|ids|ize|or\b|ors|expir\w*|expires\w*"
    rb"|manager|provider|service|validator|strength|required|enabled|rotation|_at\Z|version|arn|ref|selector|board|word_file|s\Z)"
)
_QUOTED = {quote: Tail(re.compile(rb"(?:[^" + quote + rb"\\\n\r\x00]|\\[^\n\r\x00])*+"), re.compile(rb"\\")) for quote in (b'"', b"'", b"`")}
_ESCAPED = Tail(re.compile(rb"[^\"'\\\n\r\x00]*+"), re.compile(rb"(?!)"))
_BARE = Tail(re.compile(rb"(?:[^\s\"'`,;<>()\[\]{}|&\\\x00.!?:]|[.!?:](?=[^\s\"'`,;<>()\[\]{}|&\\\x00.!?:]))*+"), re.compile(rb"[.!?:]"))
_TOKEN = Tail(re.compile(rb"(?:[0-9A-Za-z_\-+/=~]|\.(?=[0-9A-Za-z_\-+/=~]))*+"), re.compile(rb"\."))

_FILLED_IN = re.compile(
    rb"(?:your|my|the|some|enter|insert|replace|change|put|add|use|get|set|new|old|dummy|fake|sample|example|test(?:ing)?[_\-]?(?:key|token|secret|password)?\Z|placeholder|redacted|removed|"
    rb"hidden|masked|secret\Z|password\d{0,1}\Z|passwd\Z|token\Z|none\Z|null\Z|nil\Z|true\Z|false\Z|undefined|string\Z|process\.|os\.|env[.\[:(]|env\Z|config\.|settings\.|self\.|this\.|request\.|"
    rb"x{3,}|\*{3,}|\.{3,}|<|\$|%\(|%s|\{|\[|#\{|@|/|\\[nrt]|https?:|file:|arn:|projects/|bearer\Z|basic\Z|required|optional|invalid|disabled|enabled|incorrect|missing|forgot|confirm|show|hide|wrong)",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(rb"[A-Za-z_][A-Za-z_]*(?:[.\-_/:][A-Za-z_]+\d{0,2})*\Z")
_CALL = re.compile(rb"[A-Za-z_][\w.]*[(\[]")
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z", re.IGNORECASE)
_PATHLIKE = re.compile(rb"[\w.\-]+/[\w.\-/]*\.\w{1,5}\Z|\d[\d.\-:/TZ+ ]*\Z")


def entropy(value: bytes) -> float:
    """Shannon entropy in bits per character."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())


def _mixed(value: bytes) -> bool:
    kinds = (
        any(b in b"0123456789" for b in value),
        value != value.lower() and value != value.upper() and not value.istitle(),
        any(b in b"!#$%^&*+=~?@-_." for b in value[1:-1]),
    )
    letters = any(bytes([b]).isalpha() for b in value)
    return letters and (kinds[0] or kinds[1] or kinds[2])


def strong_value(value: bytes, *, quoted: bool) -> bool:
    """Whether what follows a word for a password is one."""
    if len(value) < 6 or _FILLED_IN.match(value) or _PATHLIKE.match(value) and not value.isdigit():
        return False
    if quoted:
        return (b" " not in value and (_mixed(value) or len(value) >= 8)) or (len(value) >= 10 and any(b in b"0123456789" for b in value))
    return any(b in b"0123456789!#$%^*+=~" for b in value) and not _IDENTIFIER.match(value) and len(set(value)) > 3


def weak_value(value: bytes) -> bool:
    """Whether what follows a word for a key or token looks drawn at random."""
    if len(value) < 16 or b" " in value or _FILLED_IN.match(value) or _PATHLIKE.match(value) or _IDENTIFIER.match(value) or _UUID.match(value):
        return False
    has_digit = any(b in b"0123456789" for b in value)
    has_letter = any(0x41 <= b <= 0x7A for b in value)
    return has_digit and has_letter and entropy(value) >= 3.0


def _tail_of(opened: bytes) -> Tail:
    if b"\\" in opened:
        return _ESCAPED
    return _QUOTED.get(opened[-1:], _BARE)


def _judge(view: View, out: list[Candidate], start: int, tail: Tail, strong: bool) -> None:
    data = view.data
    match = tail.body.match(data, start, start + JUDGED)
    end = match.end() if match else start
    judged = data[start:end]
    quoted = tail is not _BARE
    if not view.final and end - start < JUDGED - 2 and _undecided(data, end, tail):
        if quoted:
            out.append(Candidate(start, 3, max(end, start + 1), "SECRET", sure=False))
        return
    if not quoted and data[end : end + 1] in {b"(", b"["}:
        return
    if strong_value(judged, quoted=quoted) if strong else weak_value(judged):
        out.append(Candidate(start, 3, end, "SECRET", True, tail))


def _undecided(data: bytes, end: int, tail: Tail) -> bool:
    rest = data[end : end + 2]
    return not rest or (len(rest) == 1 and tail.unsure.fullmatch(rest) is not None)


def _link_at(low: bytes, at: int, size: int) -> re.Match[bytes] | None:
    match = _LINK.match(low, at + size)
    if match is None and low[max(0, at - 24) : at].rpartition(b"--")[1] and b" " not in low[max(0, at - 24) : at].rpartition(b"--")[2]:
        match = _OPTION.match(low, at + size)
    return match


def _named(view: View, stem: bytes, strong: bool, out: list[Candidate]) -> None:
    low = view.low
    size = len(stem) - stem.endswith(b"=")
    at = low.find(stem)
    while at >= 0:
        match = _link_at(low, at, size)
        if match and _is_name(low, at, stem, match["rest"]):
            tail = _tail_of(match["open"]) if match["open"] else _BARE
            weak_secret = strong and stem == b"secret" and not match["open"]
            _judge(view, out, match.end(), tail, strong and not weak_secret)
        at = low.find(stem, at + len(stem))


def _is_name(low: bytes, at: int, stem: bytes, rest: bytes) -> bool:
    if _NOT_A_VALUE_NAME.search(rest):
        return False
    if stem == b"key":
        return _QUALIFIER.search(low, max(0, at - 16), at) is not None
    return True


def find_assignments(view: View, out: list[Candidate]) -> None:
    """Adds the values of names that speak of a credential."""
    for stem in _STRONG:
        if stem in view.low:
            _named(view, stem, True, out)
    for stem in _WEAK:
        if stem in view.low:
            _named(view, stem, False, out)


def find_schemes(view: View, out: list[Candidate]) -> None:
    """Adds what follows ``Bearer``, ``Basic``, ``Token`` in a header."""
    for scheme in _SCHEMES:
        at = view.low.find(scheme)
        while at >= 0:
            start = at + len(scheme)
            match = _TOKEN.body.match(view.data, start, start + JUDGED)
            end = match.end() if match else start
            if scheme_value(view.data[start:end]) and (scheme == b"bearer " or b"authorization" in view.low[max(0, at - 24) : at]):
                out.append(Candidate(start, 3, end, "SECRET", True, _TOKEN))
            at = view.low.find(scheme, start)


def scheme_value(value: bytes) -> bool:
    """Whether the credential of a header looks drawn: at least twelve characters, digits and letters."""
    return (
        len(value) >= 12
        and any(b in b"0123456789" for b in value)
        and any(0x41 <= b <= 0x7A for b in value)
        and not _FILLED_IN.match(value)
        and len(set(value)) > 5
    )


FINDERS = (find_assignments, find_schemes)
