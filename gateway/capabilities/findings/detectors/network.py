"""IP and MAC addresses."""

from __future__ import annotations

import re

from gateway.capabilities.findings.model import Candidate, View

_OCTET = rb"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_V4_TEXT = _OCTET + rb"(?:\." + _OCTET + rb"){3}"
_V4 = re.compile(_V4_TEXT + rb"(?!\d)(?:/(?:3[0-2]|[12]?\d)(?![\d/]))?(?![A-Za-z_])")
_V4_HEAD = re.compile(rb"(?<![0-9A-Za-z_.\-])0{1,3}\.0{1,3}\.0{1,3}\.0")
_VERSIONED = re.compile(rb"(?:version|release|build|(?<![a-z])(?:ver|rev)|upgrade[ds]? to|==|>=|<=|~=|\^|assembly\w{0,20}|[a-z]/)[\"' :=v]{0,4}\Z")

_V6_HEAD = re.compile(rb":(?=[0-9A-Fa-f]{0,4}:)")
_V6_RUN = re.compile(rb"[0-9A-Fa-f:.]{2,46}+")
_V6_TEXT = re.compile(
    rb"(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,7})?(?P<gap>::)?(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,7})?(?::?(?<=:)(?P<v4>" + _V4_TEXT + rb"))?"
)
_V6_SUFFIX = re.compile(rb"/(?:12[0-8]|1[01]\d|[1-9]?\d)(?!\d)")
_NOT_V6_LEFT = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.:")
_GAP_CUE = re.compile(rb"(?:ip|ipv6|src|dst|addr|address|host|bind|listen|unspecified|any|route)[ =:\"'\[]{0,3}\Z")

_MAC = re.compile(rb"[0-9A-Fa-f]{2}([:\-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}(?![0-9A-Za-z]|\1[0-9A-Fa-f])")
_MAC_DOTTED = re.compile(rb"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z]|\.[0-9A-Za-z])")
_MAC_HEAD = re.compile(rb"[:\-](?=[0a]{2}[:\-][0a]{2}[:\-][0a]{2}[:\-])")
_MAC_DOT_HEAD = re.compile(rb"\.(?=[0a]{4}\.[0a]{4}(?![0a]))")


def _find_v4(view: View, out: list[Candidate]) -> None:
    at = view.cls.find(b"0.0")
    while at >= 0:
        head = view.cls[max(0, at - 2) : at]
        start = at - (len(head) - len(head.rstrip(b"0")))
        match = _V4.match(view.data, start) if _V4_HEAD.match(view.cls, start) else None
        if match and not _VERSIONED.search(view.low, max(0, start - 24), start):
            out.append(Candidate(start, 28, match.end(), "IP_ADDRESS"))
        at = view.cls.find(b"0.0", at + 1)


def _v6_end(run: bytes) -> int:
    """The length of the IPv6 address that ``run`` is, dots and colons at its end left off; -1 if it is none."""
    text = run.rstrip(b".") if run.endswith(b".") else run
    text = text[:-1] if text.endswith(b":") and not text.endswith(b"::") else text
    match = _V6_TEXT.fullmatch(text)
    if not match:
        return -1
    groups = len([g for g in text.split(b":") if g]) + (1 if match["v4"] else 0)
    complete = groups <= 7 if match["gap"] else groups == 8
    return len(text) if complete else -1


def _plausible_v6(view: View, start: int, end: int) -> bool:
    """Keeps slices such as ``x[::2]``, scopes such as ``std::cout`` and a lone ``::`` apart from addresses."""
    text = view.data[start:end]
    left = view.data[max(0, start - 2) : start]
    if text.strip(b":0123456789abcdefABCDEF.") or not any(c in b"0123456789" for c in text):
        return text == b"::" and (view.data[end : end + 2] == b"/0" or _GAP_CUE.search(view.low, max(0, start - 16), start) is not None)
    if text.startswith(b"::") and len(text) < 5:
        return left[-1:] not in {b"[", b","} or left == b" ["
    return text.count(b":") >= 2


def _find_v6(view: View, out: list[Candidate]) -> None:
    data = view.data
    for head in _V6_HEAD.finditer(data):
        at = head.start()
        start = _v6_start(data, at)
        run = _V6_RUN.match(data, start) if start == 0 or data[start - 1] not in _NOT_V6_LEFT else None
        if run and run.group().count(b":") >= 2 and _ends_well(view, run.end()):
            length = _v6_end(run.group())
            if length > 0 and _plausible_v6(view, start, start + length):
                suffix = _V6_SUFFIX.match(data, start + length)
                out.append(Candidate(start, 27, suffix.end() if suffix else start + length, "IP_ADDRESS"))


def _v6_start(data: bytes, colon: int) -> int:
    head = data[max(0, colon - 4) : colon]
    return colon - (len(head) - len(head.rstrip(b"0123456789abcdefABCDEF")))


def _ends_well(view: View, end: int) -> bool:
    return view.cls[end : end + 1] not in {b"a", b"_", b"0", b":", b"."}


def _find_mac(view: View, out: list[Candidate], heads: re.Pattern[bytes], width: int, pattern: re.Pattern[bytes]) -> None:
    for head in heads.finditer(view.cls):
        start = head.start() - width
        match = pattern.match(view.data, start) if start >= 0 else None
        if match and _mac_alone(view, start) and match.group().strip(b"0:-."):
            out.append(Candidate(start, 26, match.end(), "MAC_ADDRESS"))


def _mac_alone(view: View, start: int) -> bool:
    left = view.cls[max(0, start - 2) : start]
    return left[-1:] not in {b"0", b"a", b"_"} and not (left[-1:] in {b":", b"-", b"."} and left[:1] in {b"0", b"a"})


def find_network(view: View, out: list[Candidate]) -> None:
    """Adds IPv4 and IPv6 addresses, with their prefix length where one follows, and MAC addresses."""
    if b"." in view.data:
        _find_v4(view, out)
    colons = view.data.count(b":")
    if colons >= 2:
        _find_v6(view, out)
    if colons >= 5 or view.data.count(b"-") >= 5:
        _find_mac(view, out, _MAC_HEAD, 2, _MAC)
    if view.data.count(b".") >= 2:
        _find_mac(view, out, _MAC_DOT_HEAD, 4, _MAC_DOTTED)
