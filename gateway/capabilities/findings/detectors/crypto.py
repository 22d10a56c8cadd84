"""Bitcoin and Ethereum addresses, and what else is checked by base58check or bech32."""

from __future__ import annotations

import hashlib
import re

from gateway.capabilities.findings.model import Candidate, View

_BASE58 = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_LEGACY = re.compile(rb"[13LDXm2n][1-9A-HJ-NP-Za-km-z]{25,34}(?![0-9A-Za-z_])")
_SEGWIT = re.compile(rb"(?:bc|tb|ltc)1[02-9ac-hj-np-z]{11,87}(?![0-9A-Za-z_])|(?:BC|TB|LTC)1[02-9AC-HJ-NP-Z]{11,87}(?![0-9A-Za-z_])")
_ETHER = re.compile(rb"0x[0-9A-Fa-f]{40}(?![0-9A-Za-z_])")
_VERSIONS = frozenset({0x00, 0x05, 0x30, 0x32, 0x6F, 0xC4, 0x1E, 0x16, 0x4C})
# Checksum constants of bech32 and bech32m (BIP 173, BIP 350).
_CONSTANTS = frozenset({1, 0x2BC830A3})
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def base58check(value: bytes) -> bool:
    """Base58 with the first four bytes of a double SHA-256 behind it, and a version byte of a known chain."""
    number = 0
    for byte in value:
        number = number * 58 + _BASE58.index(byte)
    if number >= 1 << 200:
        return False
    raw = number.to_bytes(25, "big")
    return raw[0] in _VERSIONS and hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def bech32(value: bytes) -> bool:
    """BIP 173 and 350."""
    prefix, _, data = value.lower().rpartition(b"1")
    state = 1
    for number in [*(b >> 5 for b in prefix), 0, *(b & 31 for b in prefix), *(_BECH32.index(b) for b in data)]:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ number
        for bit, word in enumerate(_GENERATOR):
            state ^= word if top >> bit & 1 else 0
    return state in _CONSTANTS


def crypto_at(view: View, start: int) -> Candidate | None:
    """The address that begins at ``start``, where a long run of letters and digits begins."""
    data = view.data
    for pattern, check in ((_LEGACY, base58check), (_SEGWIT, bech32), (_ETHER, None)):
        match = pattern.match(data, start)
        if match and (check is None or check(match.group())):
            return Candidate(start, 8, match.end(), "CRYPTO")
    return None
