"""Secrets by reference: ``env:NAME`` or ``file:PATH`` (relative to the config file), resolved once, never shown.

A secret file must not be open to others: mode bits ``o+rwx`` and ``g+w`` are refused (group read is left for orchestrators that mount secrets so).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit

MAX_SECRET_BYTES = 65_536
TOO_OPEN = 0o027
MIN_DISTINCT_BYTES = 6
"""A key with fewer distinct bytes was typed, not drawn: even 32 random hexadecimal digits fall below this less than once in 10^8."""
_ENV = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?\Z", re.DOTALL)


class Secret:
    """A value that shows only where it came from. ``reveal`` and ``text`` are the two ways to it, easy to search for."""

    __slots__ = ("_value", "source")

    def __init__(self, value: bytes, source: str) -> None:
        self._value = value
        self.source = source
        """The reference, such as ``env:NAME``."""

    def reveal(self) -> bytes:
        """The secret itself."""
        return self._value

    def text(self) -> str:
        """The secret as text (UTF-8)."""
        return self._value.decode("utf-8")

    def __repr__(self) -> str:
        return f"Secret({self.source})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash((Secret, self.source))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class Env(NamedTuple):
    """``env:NAME`` or ``env:NAME:-DEFAULT``."""

    name: str
    default: str | None


class UnresolvedError(Exception):
    """A reference leads to nothing that can be used. ``unset`` where that is only because an environment variable is not set."""

    def __init__(self, what: str, hint: str = "", *, unset: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.unset = unset


def parse_env(text: str) -> Env | None:
    """The parts of an ``env:`` reference; ``None`` where ``text`` is not one."""
    match = _ENV.match(text)
    return Env(match[1], match[2]) if match else None


def lookup(reference: Env, env: Mapping[str, str]) -> str:
    """The value of an environment variable, or the default of the reference. Set but empty counts as not set.

    Raises:
        UnresolvedError: it is not set and the reference has no default.
    """
    value = env.get(reference.name) or reference.default
    if value is None:
        raise UnresolvedError(f"the environment variable {reference.name} is not set", f"export {reference.name}=...", unset=True)
    return value


Decode = Callable[[bytes], bytes]
"""Checks the form of a secret and gives its bytes. Raises ``ValueError`` with what is wrong, without the value."""


def resolve(reference: str, folder: Path, env: Mapping[str, str], decode: Decode) -> Secret | None:
    """The secret that ``reference`` names; ``None`` for an unset ``env:NAME:-``, which says that there may be none.

    Raises:
        UnresolvedError: not set, missing, unreadable, empty, too open or not of the form that is needed.
    """
    variable = parse_env(reference)
    if variable is not None:
        raw = lookup(variable, env).encode("utf-8", "surrogateescape")
        if not raw:
            return None
    else:
        raw = read_secret_file(folder / reference.removeprefix("file:"))
    try:
        return Secret(decode(raw), reference)
    except ValueError as error:
        raise UnresolvedError(f"{reference} {error}") from None


def read_secret_file(path: Path) -> bytes:
    """The content of a secret file without surrounding white space.

    Raises:
        UnresolvedError: missing, unreadable, not a file, empty, too large or open to others.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # O_NONBLOCK: a pipe here must not hold the start up
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MAX_SECRET_BYTES + 1)
    except FileNotFoundError:
        raise UnresolvedError(f"the file {path} does not exist", "run `gateway init` to make local secrets") from None
    except OSError as error:
        raise UnresolvedError(f"the file {path} cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL in the path
        raise UnresolvedError("the path is not one that a file can have") from None
    if not stat.S_ISREG(mode) or len(raw) > MAX_SECRET_BYTES:
        raise UnresolvedError(f"the file {path} is not a file of at most {MAX_SECRET_BYTES} bytes")
    if mode & TOO_OPEN:
        raise UnresolvedError(f"the file {path} is open to others (mode {stat.S_IMODE(mode):04o})", f"chmod 600 {path}")
    if not raw.strip():
        raise UnresolvedError(f"the file {path} is empty")
    return raw.strip()


def at_least(length: int) -> Decode:
    """A form: at least ``length`` bytes as they stand, not all alike."""

    def decode(raw: bytes) -> bytes:
        if len(raw) < length:
            raise ValueError(f"has {len(raw)} bytes; at least {length} are needed")
        if len(set(raw)) < MIN_DISTINCT_BYTES:
            raise ValueError("is too regular to be a secret")
        return raw

    return decode


def ed25519_seed(raw: bytes) -> bytes:
    """A form: the 32 bytes of an Ed25519 private key (RFC 8032, section 5.1.5), written in hexadecimal or base64."""
    for decode in (binascii.unhexlify, _base64):
        try:
            seed = decode(raw)
        except ValueError:
            continue
        if len(seed) == 32:
            return at_least(32)(seed)
    raise ValueError("is not an Ed25519 seed: 32 bytes in hexadecimal or base64")


def _base64(raw: bytes) -> bytes:
    return base64.b64decode(raw, validate=True)


def webhook_key(raw: bytes) -> bytes:
    """A form: the key of a webhook's signatures, 24 to 64 bytes in base64, with or without ``whsec_`` (Standard Webhooks, "Signature scheme")."""
    try:
        key = _base64(raw.removeprefix(b"whsec_"))
    except ValueError:
        raise ValueError("is not base64, with or without whsec_ before it") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"holds {len(key)} bytes in base64; a webhook's key has 24 to 64")
    return at_least(24)(key)


def header_value(raw: bytes) -> bytes:
    """A form: what can stand in an HTTP header, as a provider's API key must (visible ASCII, RFC 9110 section 5.5)."""
    if not all(0x21 <= byte <= 0x7E for byte in raw):
        raise ValueError("has characters that cannot stand in an HTTP header")
    return raw


def postgres_url(raw: bytes) -> bytes:
    """A form: the URL of a PostgreSQL database, always with the scheme ``postgresql`` (``postgres`` is the same to libpq)."""
    scheme, separator, rest = raw.partition(b"://")
    try:
        parts = urlsplit(raw.decode("ascii"))
        whole = bool(parts.hostname or b"host=" in raw) and len(parts.path) > 1 and (parts.port is None or parts.port > 0)
    except ValueError:
        whole = False
    if scheme not in {b"postgresql", b"postgres"} or not whole or any(byte <= 0x20 or byte == 0x7F for byte in raw):
        raise ValueError("does not hold a URL such as postgresql://USER:PASSWORD@HOST:5432/NAME")
    return b"postgresql" + separator + rest
