"""Credentials that only their name gives away: ``password = "..."``, ``api_key: ...``, ``Authorization: Bearer ...``, ``--token ...``.

The name is found by plain searches for its stem, the rest by patterns matched at that place. A value that fills in for one (``your-api-key``, ``${TOKEN}``,
``os.environ[...]``) is none.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable

from gateway.capabilities.findings.model import Candidate, Tail, View

_STRONG = (b"pass", b"pwd", b"secret", b"contrase")
_WEAK = (b"token", b"key", b"auth", b"cred", b"sig=", b"signature=", b"session", b"cookie")
_SCHEMES = (b"bearer ", b"basic ", b"token ", b"apikey ")

JUDGED = 128
"""A value is judged by its first characters; the rest only prolongs it."""

_LINK = re.compile(
    rb"(?P<rest>[a-z0-9_.\-]{0,32}+)(?P<close>\\{0,2}[\"'`\])]{0,2}+)(?:[ \t]{0,8}+(?:=>|:=|={1,3}|:(?!:)"
    rb"|,(?=[ ]?[\"']))[ \t]{0,8}+|(?: is | are |>|: {0,2}\n {0,8}))(?P<type>\(\w{1,12}\))?"
    rb"(?P<open>[rbuf@]?\\{0,2}[\"'`]{1,3}+)?"
)
_OPTION = re.compile(rb"(?P<rest>[a-z0-9_\-]{0,24}+)(?P<close>)[ ](?P<open>[\"']?)(?=[^\s\-])")
_QUALIFIER = re.compile(
    rb"(?:api|apis|access|secret|private|auth|account|encryption|encrypt|signing|sign|master|shared|app|application"
    rb"|client|consumer|license|licence|subscription|storage|service|"
    rb"deploy|ssh|bot|admin|x|oauth|aes|hmac|jwt|rsa|webhook|rapidapi|server|write|ingest|host|function|primary"
    rb"|secondary|root|user|integration|product|registration)[_\-. ]?\Z"
)
_UUID_KEY = re.compile(rb"(?:api|secret|private|access|client|license|licence|subscription|auth|app|x)[_\-. ]?\Z")
_NOT_A_VALUE_NAME = re.compile(
    rb"(?:field|url|uri|label|type|name|hint|placeholder|length|len|min|max|policy|path|file|count|limit|usage|reset"
    rb"|regex|pattern|hash_?algo\w*|id\Z|ids|ize|or\b|ors|expir\w*|expires\w*"
    rb"|manager|provider|service|validator|strength|required|enabled|rotation|_at\Z|version|arn|ref|selector|board|word_file|s\Z)"
)
_QUOTED = {quote: Tail(re.compile(rb"(?:[^" + quote + rb"\\\n\r\x00]|\\[^\n\r\x00])*+"), re.compile(rb"\\")) for quote in (b'"', b"'", b"`")}
_ESCAPED = Tail(re.compile(rb"[^\"'\\\n\r\x00]*+"), re.compile(rb"(?!)"))
# An ampersand ends a value only where another name and its value follow, as in a query.
_BARE = Tail(
    re.compile(
        rb"(?:[^\s\"'`,;<>()\[\]{}|&\\\x00.?:]|[.?:](?=[^\s\"'`,;<>()\[\]{}|&\\\x00.?:])|&(?=[\w.\-]{0,40}+[^=\w.\-]))*+",
    ),
    re.compile(rb"[.?:]|&[\w.\-]{0,40}"),
)
_TOKEN = Tail(re.compile(rb"(?:[0-9A-Za-z_\-+/=~]|\.(?=[0-9A-Za-z_\-+/=~]))*+"), re.compile(rb"\."))

_FILLED_IN = re.compile(
    rb"(?:(?:your|my|the|some|enter|insert|replace|change|put|add|use|get|set|new|old|dummy|fake|sample|example"
    rb"|test)[_\- ]|changeme|change_?it|yourpass|yourtoken|yourapi|yoursecret|yourkey"
    rb"|my(?:secret|password|token|key|api)[_a-z\-]*\Z|(?:dummy|fake|sample|example|test(?:ing)?)[_\-]?(?:key|token|secret|password)?\Z"
    rb"|placeholder|redacted|removed|hidden\Z|masked|secret\Z|password\d{0,1}\Z|passwd\Z|token\Z|none\Z|null\Z|nil\Z"
    rb"|true\Z|false\Z|undefined|string\Z|process\.|os\.|env[.\[:(]|env\Z"
    rb"|config\.|settings\.|self\.|this\.|request\.|x{3,}|\*{3,}|\.{3,}|<|\$\{|\$\(|\$[A-Z_]+\Z|%\(|%s|\{|\[|#\{|@|/"
    rb"|\\[nrt]|https?:|file:|arn:|projects/|bearer\Z|basic\Z"
    rb"|(?:required|optional|invalid|disabled|enabled|incorrect|missing|forgot|confirm|show|hide|wrong)\b)",
    re.IGNORECASE,
)
_HAS_DIGIT = re.compile(rb"\d")
_HAS_DIGIT_OR_SIGN = re.compile(rb"[\d!#$%^*+=~]")
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
    if len(value) < 6 or _FILLED_IN.match(value):
        return False
    if _PATHLIKE.match(value) and not value.isdigit():
        return False
    return _quoted_password(value) if quoted else _bare_password(value)


def _quoted_password(value: bytes) -> bool:
    if b" " in value:
        return len(value) >= 10 and _HAS_DIGIT.search(value) is not None
    return len(value) >= 8 or _mixed(value)


def _bare_password(value: bytes) -> bool:
    return _HAS_DIGIT_OR_SIGN.search(value) is not None and not _IDENTIFIER.match(value) and len(set(value)) > 3


def drawn_value(value: bytes) -> bool:
    """Whether a value that follows the word secret unquoted, or a name in a list, is one: both cases and a digit, or long and random."""
    both = value != value.lower() and value != value.upper()
    return weak_value(value) or (len(value) >= 8 and both and strong_value(value, quoted=False))


def key_value(value: bytes) -> bool:
    """As ``weak_value``; the name being a key's, a UUID will do."""
    return weak_value(value) or _UUID.match(value) is not None


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


def _judge(view: View, out: list[Candidate], start: int, tail: Tail, judge: Callable[[bytes], bool]) -> None:
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
    if judge(judged):
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
            listed = b"," in match.group()
            judge = drawn_value if listed else _judge_for(stem, strong, tail is not _BARE, low[max(0, at - 16) : at])
            _judge(view, out, match.end(), tail, judge)
        at = low.find(stem, at + len(stem))


def _judge_for(stem: bytes, strong: bool, quoted: bool, before: bytes) -> Callable[[bytes], bool]:
    if not strong:
        return key_value if stem == b"key" and _UUID_KEY.search(before) else weak_value
    if quoted:
        return _strong_quoted
    return drawn_value if stem == b"secret" else _strong_bare


def _strong_quoted(value: bytes) -> bool:
    return strong_value(value, quoted=True)


def _strong_bare(value: bytes) -> bool:
    return strong_value(value, quoted=False)


def _is_name(low: bytes, at: int, stem: bytes, rest: bytes) -> bool:
    if rest != b"entials" and _NOT_A_VALUE_NAME.search(rest):
        return False
    if stem == b"pass" and not rest.startswith((b"word", b"wd", b"phrase", b"code")):
        return not low[max(0, at - 1) : at].isalpha() and (not rest or rest[:1] in b"_-.")
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
