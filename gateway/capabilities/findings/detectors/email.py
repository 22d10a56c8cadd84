"""E-mail addresses, found from their ``@``."""

from __future__ import annotations

import re

from gateway.capabilities.findings.model import Candidate, View

# RFC 5321: 64 characters before the @, 63 in a label, 255 in a domain. Cut at 190, so that the whole stays within what a stream holds back.
_LOCAL_MAX = 64
_LOCAL = re.compile(rb"[A-Za-z0-9\xc0-\xff.!#$%&'*+/=?^_`{|}~\-]{1,65}\Z")
_DOMAIN_RUN = re.compile(rb"[A-Za-z0-9\xc0-\xff\-]{1,63}+(?:\.[A-Za-z0-9\xc0-\xff\-]{1,63}+){1,8}+")
_TOP = re.compile(rb"(?:[A-Za-z0-9\xc0-\xff][A-Za-z0-9\xc0-\xff\-]{0,62}\.){1,8}(?:xn--[A-Za-z0-9\-]{2,40}|[A-Za-z\xc0-\xff]{2,24})")
_ADDRESS_LITERAL = re.compile(rb"\[\d{1,3}(?:\.\d{1,3}){3}\]")
_OPENERS = b".!#$%&'*+/=?^`{|}~-"


def _label_domain(data: bytes, at: int) -> int:
    """The end of the domain at ``at``, or -1. Walks back over trailing labels that are no top level, such as ``example.com.5``."""
    literal = _ADDRESS_LITERAL.match(data, at)
    if literal:
        return literal.end()
    run = _DOMAIN_RUN.match(data, at)
    end = run.end() if run else at
    while end > at:
        match = _TOP.fullmatch(data, at, end)
        if match:
            return end
        end = data.rfind(b".", at, end)
    return -1


def find_emails(view: View, out: list[Candidate]) -> None:
    """Adds every address with a plausible domain."""
    data = view.data
    at = data.find(b"@")
    while at >= 0:
        end = _label_domain(data, at + 1)
        if end > 0 and data[end : end + 1] != b"@":
            local = _LOCAL.search(data, max(0, at - _LOCAL_MAX - 1), at)
            if local and at - local.start() <= _LOCAL_MAX:
                start = _skip_openers(data, local.start(), at)
                if start < at and not (data[start:at] == b"git" and data[end : end + 1] in {b":", b"/"}):
                    out.append(Candidate(start, 30, end, "EMAIL_ADDRESS"))
        at = data.find(b"@", at + 1)


def _skip_openers(data: bytes, start: int, at: int) -> int:
    """Past what may stand in a local part but here comes before it: quotes, brackets, ``to=``, ``mailto/``."""
    cut = max(data.rfind(opener, start, at) for opener in (b"=", b"/", b"'", b"`", b"|", b"{", b"}", b"?", b"&"))
    start = max(start, cut + 1)
    while start < at and data[start] in _OPENERS:
        start += 1
    return start
