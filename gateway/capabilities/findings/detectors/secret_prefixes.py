"""Credentials that their vendors begin with a fixed prefix: which, how long at least, and of what characters."""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.capabilities.findings.model import Tail

_NEVER = re.compile(rb"(?!)")
ALNUM = Tail(re.compile(rb"[0-9A-Za-z]*+"), _NEVER)
WORD = Tail(re.compile(rb"[0-9A-Za-z_\-]*+"), _NEVER)
DOTTED = Tail(re.compile(rb"(?:[0-9A-Za-z_\-=]|\.(?=[0-9A-Za-z_\-]))*+"), re.compile(rb"\."))
BASE64 = Tail(re.compile(rb"(?:[0-9A-Za-z_\-+/=]|[.~%](?=[0-9A-Za-z_\-+/=]))*+"), re.compile(rb"[.~%]"))

# prefix, minimum of characters after it, kind: n letters and digits, w also _ and -, d also dots between, b base64, x hexadecimal of exactly so many
_TABLE = """
AKIA 12 n | ASIA 12 n | ABIA 12 n | ACCA 12 n | AROA 16 n | AIDA 16 n | AGPA 16 n | ANPA 16 n | ANVA 16 n | AIPA 16 n | ABSK 80 b
bedrock-api-key- 30 b | AIza 30 w | ya29. 20 d | GOCSPX- 20 w | 1// 30 w | GOOG 20 n | ghp_ 30 n | gho_ 30 n | ghu_ 30 n | ghs_ 30 n | ghr_ 30 n
github_pat_ 22 w | glpat- 16 d | gldt- 16 w | glrt- 16 d | glptt- 16 w | glcbt- 16 w | glimt- 16 w | glagent- 16 w | glsoat- 16 w | gloas- 20 w
glffct- 16 w | GR1348941 16 w | _gitlab_session= 20 n | xoxb- 16 w | xoxp- 16 w | xoxa- 16 w | xoxr- 16 w | xoxs- 16 w | xoxe- 16 w | xoxo- 16 w
xoxd- 16 b | xoxc- 16 w | xapp- 16 w | xoxe.xoxb- 16 w | xoxe.xoxp- 16 w | xwfp- 16 w | sk_live_ 10 n | sk_test_ 10 n | rk_live_ 10 n | rk_test_ 10 n
pk_live_ 20 n | sk_prod_ 10 n | rk_prod_ 10 n | whsec_ 16 b | sk-proj- 16 w | sk-svcacct- 16 w | sk-admin- 16 w | sk-None- 16 w | sk-ant- 16 w
sk-or-v1- 32 n | sk-or- 32 w | sk-lf- 20 w | sk- 20 w | sess- 36 n | hf_ 28 n | api_org_ 30 n | gsk_ 30 n | r8_ 30 n | pplx- 30 n | xai- 40 w
nvapi- 40 w | fw_ 20 n | tgp_v1_ 30 w | csk- 30 n | jina_ 40 w | voyage- 30 w | pa- 40 w | co_ 36 n | lsv2_pt_ 30 w | lsv2_sk_ 30 w | ls__ 30 n
e2b_ 36 n | tvly- 20 w | fc- 32 n | esecret_ 24 w | aai_ 30 w | pcsk_ 40 w | pclocal_ 30 w | npm_ 30 n | pypi-AgEIcHlwaS5vcmc 20 w
pypi-AgENdGVzdC5weXBpLm9yZw 20 w | pypi- 30 w | rubygems_ 40 n | cio 32 n | dckr_pat_ 20 w | dckr_oat_ 20 w | NuGetv2 30 n | oy2 43 n | cargo_ 30 n
clojars_ 50 n | jfrog_ 30 n | cmVmd 50 n | AKCp 60 n | pnu_ 30 n | sgp_ 36 w | sourcegraph_ 30 w | SG. 40 d | key- 32 x | pubkey- 32 x | AC 32 x
SK 32 x | xkeysib- 60 w | xsmtpsib- 60 w | re_ 20 w | SM 32 x | md- 20 w | MC. 20 d | PMAK- 40 w | PMAT- 20 w | mlsn. 40 n | dop_v1_ 60 n
doo_v1_ 60 n | dor_v1_ 60 n | DO00 16 n | do_ 60 n | fo1_ 30 w | fm1_ 30 b | fm1a_ 30 b | fm2_ 30 b | fm1r_ 30 b | FlyV1 30 b | HRKU- 30 w | rnd_ 24 n
vercel_ 20 n | vcp_ 24 n | nfp_ 30 n | railway_ 30 w | pscale_tkn_ 30 w | pscale_pw_ 30 w | pscale_oauth_ 30 w | pscale_ 30 w | sbp_ 36 n
sb_secret_ 20 w | sbp_oauth_ 30 n | sb_publishable_ 22 w | napi_ 30 n | xau_ 30 n | whk_ 24 w | hvs. 20 d | hvb. 20 d | hvr. 20 d | s. 24 n
dp.pt. 40 n | dp.st. 40 d | dp.ct. 40 n | dp.sa. 40 n | dp.scim. 40 n | dp.audit. 40 n | dp.said. 30 n | ops_ey 50 b | A3- 30 w | atlasv1. 60 d
tfp_ 30 n | pul- 38 n | v1.0- 80 w | shpat_ 30 n | shpca_ 30 n | shppa_ 30 n | shpss_ 30 n | shpua_ 30 n | shptka_ 30 n | sq0atp- 20 w | sq0csp- 40 w
sq0idp- 20 w | sq0i 20 w | EAAA 56 w | EAAC 30 n | EAA 60 n | access_token$production$ 8 p | access_token$sandbox$ 8 p | amzn.mws. 30 w | ctx7sk- 30 w
IGQ 60 w | dapi 32 n | dose 32 n | dkea 32 n | NRAK- 24 n | NRJS- 19 n | NRII- 20 w | NRRA- 40 n | NRIQ- 30 w | eu01xx 30 n | glc_ 30 b | glsa_ 32 w
eyJrIjoi 60 b | sntrys_ 30 b | sntryu_ 60 n | phc_ 40 n | phx_ 40 n | phs_ 40 n | dd_api_ 30 n | ddapi_ 30 n | pdus_ 20 w | lin_api_ 30 n
lin_oauth_ 30 n | secret_ 40 n | ntn_ 40 n | figd_ 30 w | figu_ 30 w | figo_ 30 w | patkey 20 d | pat-na1- 36 w | pat-eu1- 36 w | ATATT3 60 b
ATCTT3 60 b | ATBB 28 n | ATOA 60 b | BBDC- 40 b | CFPAT- 40 w | v1.0- 60 w | cfut_ 40 w | cfat_ 40 w | cfk_ 40 w | tfe_ 40 w | doxs_ 30 n
RGAPI- 36 w | live_ 40 n | duffel_live_ 40 w | duffel_test_ 40 w | EZAK 50 n | EZTK 50 n | shippo_live_ 40 n | shippo_test_ 40 n | FLWSECK- 30 w
FLWSECK_TEST- 30 w | FLWPUBK- 30 w | FLWSECK_TEST 12 n | rzp_live_ 14 n | rzp_test_ 14 n | sandbox_sk_ 20 n | AGE-SECRET-KEY-1 50 n
PRIVATE-KEY- 40 w | p8e- 30 n | tk-us- 40 w | ion_ 40 n | ico- 32 n | API- 26 n | sk_ 32 w | rpa_ 40 n | oat_ 40 w | ak_live_ 30 w | LTAI 12 n
AKID 28 n | t3B 30 n | xsec_ 30 w | pnpt_ 20 w | bkua_ 36 n | bkct_ 36 n | ccipat_ 30 w | CCIPAT_ 30 w | CIRCLE_ 36 n | sqp_ 40 n | squ_ 40 n
sqa_ 40 n | codecov_ 30 n | snyk_ 30 w | hcaik_ 50 n | hcbik_ 50 n | hcalk_ 50 n | waka_ 36 w | apify_api_ 30 n | pk_prod_ 28 n | plaid- 30 w
access-production- 36 w | access-sandbox- 36 w | access-development- 36 w | SQUARE 40 w | sfp_ 30 n | yoco_ 20 w | ubsk_ 30 n | tok_live_ 20 n
mfa. 60 w | ctp_ 30 n | dsn_ 40 n | nk- 32 n | SCW 17 n | ovh_ 30 n | hz_ 60 n | u+ 30 n
"""


class Prefix(NamedTuple):
    """A vendor's prefix: what must follow, and how the value goes on."""

    text: bytes
    pattern: re.Pattern[bytes]
    tail: Tail | None
    """None where the length is fixed."""


_KINDS = {
    "n": (rb"[0-9A-Za-z]", ALNUM),
    "w": (rb"[0-9A-Za-z_\-]", WORD),
    "p": (rb"[0-9A-Za-z_\-$]", Tail(re.compile(rb"[0-9A-Za-z_\-$]*+"), _NEVER)),
    "d": (rb"(?:[0-9A-Za-z_\-]|\.(?=[0-9A-Za-z_\-]))", DOTTED),
    "b": (rb"[0-9A-Za-z_\-+/=%]", BASE64),
}


def _entry(text: str, least: int, kind: str) -> Prefix:
    head = re.escape(text.encode())
    if kind == "x":
        return Prefix(text.encode(), re.compile(head + rb"[0-9a-f]{%d}(?![0-9A-Za-z_\-])" % least), None)
    one, tail = _KINDS[kind]
    return Prefix(text.encode(), re.compile(head + one + b"{%d}" % least), tail)


def _table() -> dict[bytes, tuple[Prefix, ...]]:
    rows: dict[bytes, list[Prefix]] = {}
    for cell in _TABLE.replace("\n", "|").split("|"):
        if cell.strip():
            text, least, kind = cell.split()
            rows.setdefault(text[:2].encode(), []).append(_entry(text, int(least), kind))
    return {head: tuple(sorted(found, key=lambda row: -len(row.text))) for head, found in rows.items()}


PREFIXES = _table()
"""By their first two characters."""
