"""Credentials that say themselves what they are: vendor prefixes, JWTs, private keys, passwords in URLs, webhook URLs, bot tokens.

The scan goes value first: runs of at least sixteen letters, digits, ``_`` and ``-`` are found by a search for sixteen equal class bytes.
"""

from __future__ import annotations

import re

from gateway.capabilities.findings.detectors.crypto import crypto_at
from gateway.capabilities.findings.detectors.secret_prefixes import ALNUM, DOTTED, PREFIXES
from gateway.capabilities.findings.model import Candidate, Tail, View

RUN = 16
_RUN_TABLE = bytes(0x61 if bytes([b]).isalnum() or b in b"_-" else 0x20 for b in range(256))
_NEEDLE = b"a" * RUN
_ESCAPES = b"nrt"

_JWT = re.compile(rb"(?:eyJ|ewog)[0-9A-Za-z_\-]{8,250}\.(?:eyJ|ewog|[0-9A-Za-z_\-]{20})")
_JWE = re.compile(rb"eyJ[0-9A-Za-z_\-]{8,250}\.[0-9A-Za-z_\-]{0,64}\.[0-9A-Za-z_\-]{16}")
_DISCORD = re.compile(rb"[MNO][0-9A-Za-z_\-]{23,27}\.[0-9A-Za-z_\-]{6,7}\.[0-9A-Za-z_\-]{27,40}(?![0-9A-Za-z_\-])")
_TELEGRAM = re.compile(rb"\d{8,10}:AA[0-9A-Za-z_\-]{32,35}(?![0-9A-Za-z_\-])")
_AIRTABLE = re.compile(rb"pat[0-9A-Za-z]{14}\.[0-9a-f]{64}")
_AZURE = re.compile(rb"[0-9A-Za-z_~.]{3}[78]Q~[0-9A-Za-z_~.\-]{31,34}(?![0-9A-Za-z_~\-])")

_PEM = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]{2,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----(?=(?:\\[rn]|\s|\\\\n){1,6}(?:[0-9A-Za-z+/=]{16}|Proc-Type|DEK-Info|Version|Comment|\\))"
)
_PEM_PARTIAL = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,48}(?:-{0,5}|-----(?:\\[rn]|\s|\\\\n|\\){0,6}[0-9A-Za-z+/=\-]{0,16})\Z")
_PEM_TAIL = Tail(
    re.compile(rb"(?:[0-9A-Za-z+/=\s\\:,.()@\"_]|-(?=[^-]))*+"),
    re.compile(rb"-{1,5}(?:E(?:N(?:D(?: [A-Z0-9 ]{0,48}-{0,4})?)?)?)?"),
    re.compile(rb"-----END [A-Z0-9 ]{1,48}-----"),
)

_AWS = re.compile(rb"A(?:KI|SI|BI|CC)A")

_URL_USER = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]{1,30}://[^\s/@:\"'<>\x00]{0,64}:\Z")
_URL_PASSWORD = re.compile(rb"[^\s/@\"'<>\x00]{1,128}?(?=@[0-9A-Za-z\[{$_])|[^\s@\"'<>\x00]{1,128}?(?=@[0-9A-Za-z\-]{1,63}[.:])")
_NOT_PASSWORD = re.compile(
    rb"(?:[*x.]+|\$\{?\w+\}?|\{\{?.*|<.*|%[sd(].*|\[.*|(?:your|my)?[_\-]?(?:password|passwd|pass|pwd|secret|token)|PASSWORD|\d{1,5})\Z", re.IGNORECASE
)

_WEBHOOKS = (
    (b"hooks.slack.com/", re.compile(rb"hooks\.slack\.com/(?:services|workflows|triggers)/[0-9A-Za-z_/\-]{20}")),
    (b"/api/webhooks/", re.compile(rb"/api/webhooks/\d{15,22}/[0-9A-Za-z_\-]{20}")),
    (b".webhook.office.com/", re.compile(rb"\.webhook\.office\.com/webhookb2/[0-9A-Za-z@/\-]{20}")),
    (b"outlook.office.com/webhook/", re.compile(rb"outlook\.office\.com/webhook/[0-9A-Za-z@/\-]{20}")),
    (b"hooks.zapier.com/", re.compile(rb"hooks\.zapier\.com/hooks/catch/\d{4,12}/[0-9A-Za-z]{4}")),
    (b"hook.", re.compile(rb"hook\.(?:eu\d|us\d|integromat|make)[0-9a-z.]{0,30}/[0-9A-Za-z]{20}")),
    (b"chat.googleapis.com/", re.compile(rb"chat\.googleapis\.com/v1/spaces/[0-9A-Za-z_\-]{4,40}/messages\?key=[0-9A-Za-z_\-]{20}")),
    (b"maker.ifttt.com/", re.compile(rb"maker\.ifttt\.com/trigger/[0-9A-Za-z_\-]{1,60}/with/key/[0-9A-Za-z_\-]{16}")),
)
_URL_HEAD = re.compile(rb"https?://[^\s\"'<>\x00]{0,110}\Z")
_URL_TAIL = Tail(re.compile(rb"(?:[0-9A-Za-z_\-/@%=&~+]|[.?](?=[0-9A-Za-z_\-/@%=]))*+"), re.compile(rb"[.?]"))


def real_secret(value: bytes) -> bool:
    """Whether a value behind a vendor's prefix looks drawn, not filled in: enough different characters."""
    return len(set(value[:64].lower())) >= 6


def _add(out: list[Candidate], start: int, end: int, tail: Tail | None) -> None:
    out.append(Candidate(start, 1, end, "SECRET", True, tail))


def _prefixed(view: View, start: int, out: list[Candidate]) -> bool:
    for prefix in PREFIXES.get(view.data[start : start + 2], ()):
        match = prefix.pattern.match(view.data, start)
        if match and real_secret(view.data[start + len(prefix.text) : match.end()]) and _drawn(match.group(), len(prefix.text)):
            _add(out, start, match.end(), prefix.tail)
            return True
    return False


def _drawn(value: bytes, prefix: int) -> bool:
    """Digits, or letters that change their case as often as drawn ones: an identifier such as ``sk-learn-something-long`` or ``re_useNextEffect`` does not.

    One in six keys of ten random letters and digits has no digit there. Ids of AWS have capitals alone.
    """
    if any(0x30 <= b <= 0x39 for b in value[3:]):
        return not value.isdigit()
    rest = value[prefix:]
    if _AWS.match(value):
        return rest.isupper()
    return 3 * sum(map(_case_changes, rest, rest[1:])) >= len(rest) - 1


def _case_changes(one: int, other: int) -> bool:
    return (one ^ other) & 0x20 != 0 and one > 0x40 and other > 0x40


def _starts(view: View, start: int) -> tuple[int, ...]:
    """Where a credential may begin whose long run begins at ``start``: there, after a letter that was an escape, or at a shorter part before a dot."""
    data = view.data
    found: list[int] = []
    if start and data[start - 1] == 0x5C and data[start] in _ESCAPES:
        found.append(start + 1)
    if start and data[start - 1] in b"./+$=":
        head = data[max(0, start - 40) : start]
        left = len(head) - len(head.rstrip(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-./+$="))
        found.extend(at for at in range(start - left, start) if at == start - left or (data[at - 1] in b"/=" and data[at] not in b"/="))
    return (*found, start)


def _shaped(view: View, start: int, end: int, out: list[Candidate]) -> None:
    """Forms that no prefix gives away."""
    data = view.data
    first = data[start : start + 2]
    if first in {b"ey", b"ew"} and (_JWT.match(data, start) or _JWE.match(data, start)):
        _add(out, start, end, DOTTED)
    elif first[:1] in {b"M", b"N", b"O"} and (match := _DISCORD.match(data, start)):
        _add(out, start, match.end(), None)
    elif first == b"pa" and (match := _AIRTABLE.match(data, start)):
        _add(out, start, match.end(), ALNUM)
    if first == b"AA" and data[start - 1 : start] == b":":
        head = data[max(0, start - 11) : start - 1]
        at = start - 1 - (len(head) - len(head.rstrip(b"0123456789")))
        match = _TELEGRAM.match(data, at)
        if match:
            _add(out, at, match.end(), None)


def find_long_runs(view: View, out: list[Candidate]) -> None:
    """Adds vendor-prefixed credentials, JWTs, bot tokens, and coin addresses."""
    runs = view.data.translate(_RUN_TABLE)
    at = runs.find(_NEEDLE)
    while at >= 0:
        end = runs.find(b" ", at)
        end = len(runs) if end < 0 else end
        for start in _starts(view, at):
            if _prefixed(view, start, out):
                break
        else:
            _shaped(view, at, end, out)
            coin = crypto_at(view, at) if end - at < 100 else None
            if coin:
                out.append(coin)
        at = runs.find(_NEEDLE, end)


def find_private_keys(view: View, out: list[Candidate]) -> None:
    """Adds private keys in PEM and their like, through their footer."""
    at = view.data.find(b"-----BEGIN ")
    while at >= 0:
        match = _PEM.match(view.data, at)
        if match:
            out.append(Candidate(at, 0, match.end(), "SECRET", True, _PEM_TAIL))
        elif not view.final and _PEM_PARTIAL.match(view.data, at):
            out.append(Candidate(at, 0, at + 11, "SECRET", sure=False))
        at = view.data.find(b"-----BEGIN ", at + 11)


def find_url_passwords(view: View, out: list[Candidate]) -> None:
    """Adds the password of ``scheme://user:password@host``."""
    data = view.data
    at = data.find(b"://")
    while at >= 0:
        colon = data.find(b":", at + 3, at + 68)
        head = data[max(0, at - 32) : colon + 1]
        if colon > 0 and _URL_USER.search(head):
            match = _URL_PASSWORD.match(data, colon + 1)
            if match and not _NOT_PASSWORD.match(match.group()):
                out.append(Candidate(colon + 1, 2, match.end(), "SECRET"))
        at = data.find(b"://", at + 3)


def find_webhooks(view: View, out: list[Candidate]) -> None:
    """Adds the path of webhook URLs: whoever has it may post."""
    for needle, pattern in _WEBHOOKS:
        at = view.data.find(needle)
        while at >= 0:
            match = pattern.match(view.data, at)
            if match:
                scheme = _URL_HEAD.search(view.data, max(0, at - 120), at)
                _add(out, scheme.start() if scheme else at, match.end(), _URL_TAIL)
            at = view.data.find(needle, at + len(needle))


def find_azure_secrets(view: View, out: list[Candidate]) -> None:
    """Adds client secrets of Microsoft Entra, which have ``7Q~`` or ``8Q~`` in the fourth place."""
    at = view.data.find(b"Q~")
    while at >= 0:
        start = at - 4
        if start >= 0 and not view.data[start - 1 : start].isalnum() and (match := _AZURE.match(view.data, start)):
            _add(out, start, match.end(), None)
        at = view.data.find(b"Q~", at + 2)


FINDERS = (find_long_runs, find_private_keys, find_url_passwords, find_webhooks, find_azure_secrets)
