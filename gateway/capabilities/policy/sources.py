"""Where a policy comes from, and how a change of it is noticed: a folder, an archive file, or a server that is asked again and again."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from gateway.capabilities.policy.bundle import Bundle, Signature, load_bundle, read_bundle, signature
from gateway.capabilities.policy.bundle_archive import MAX_ARCHIVE_BYTES
from gateway.capabilities.policy.bundle_keep import Keep
from gateway.capabilities.policy.bundle_keys import bundle_key
from gateway.capabilities.policy.bundle_trust import BundleKey
from gateway.capabilities.policy.problems import PolicyError, Problem
from gateway.infrastructure.bundle_client import DOWNLOAD_S, BundleClient, BundleClientError
from gateway.settings import Policy as PolicySettings

_SETTLE_S = 0.05  # a change younger than this may still be being written


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """A server that has the bundle."""

    url: str
    poll_s: float = 10.0
    """Seconds between questions for a change."""
    token: str | None = None
    """Sent as a bearer token."""
    download_s: float = DOWNLOAD_S
    """Seconds for a whole download."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """Where the policy is."""

    path: Path
    """A folder, or an OPA bundle; not looked at where there is a ``server``."""
    reload_s: float = 1.0
    """Seconds between looks for a change."""
    server: ServerOptions | None = None
    key: bytes | None = None
    """What a bundle has to be signed with: a public key in PEM, or a shared secret."""
    keep: Path | None = None
    """Folder of the last good bundle; ``None`` keeps none. A policy folder is its own copy."""


class UnreachableError(PolicyError):
    """The source could not be asked. That says nothing of what it holds, and is no news a second time."""


class Source(Protocol):
    """What a policy comes from. For one event loop."""

    place: str
    """Where it is, for people."""
    interval_s: float
    """Seconds between two looks."""

    async def look(self) -> Bundle | None:
        """What is there now: a new bundle, the very one that was last accepted, or ``None`` where it is what the last look already told of.

        Raises:
            UnreachableError: It could not be asked.
            PolicyError: What is there is no policy. The next look tells of a change only.
        """

    async def accepted(self, bundle: Bundle) -> None:
        """``bundle``, which the last look gave, is live: keep it. May be called again where that failed.

        Raises:
            OSError: It cannot be kept.
        """

    async def kept(self) -> Bundle | None:
        """The last bundle that was accepted, by this process or one before; ``None`` where none is kept.

        Raises:
            PolicyError: It cannot be used.
        """

    async def close(self) -> None:
        """Let go of what was opened."""


def options_of(settings: PolicySettings) -> SourceOptions:
    """The source that the config names."""
    server = settings.bundle
    token = None if server is None or server.token is None else server.token.text()
    return SourceOptions(
        path=settings.path,
        reload_s=settings.reload_s,
        server=None if server is None else ServerOptions(url=server.url, poll_s=server.poll_s, token=token),
        key=None if settings.bundle_key is None else settings.bundle_key.reveal(),
        keep=settings.keep,
    )


def source_of(options: SourceOptions) -> Source:
    """The source that ``options`` name. Whether ``path`` is a folder or a bundle is asked now, and holds until the next start.

    Raises:
        PolicyError: The key is none.
    """
    key = key_of(options)
    if options.server is not None:
        return _Server(options.server, key, options.keep)
    if key is None and not options.path.is_file() and options.path.suffix not in {".gz", ".tgz"}:
        return _Folder(options.path, options.reload_s)
    return _Archive(options.path, options.reload_s, key, options.keep)


def key_of(options: SourceOptions) -> BundleKey | None:
    """What bundles have to be signed with.

    Raises:
        PolicyError: The key is none.
    """
    try:
        return None if options.key is None else bundle_key(options.key)
    except ValueError as error:
        raise PolicyError([Problem("policy.bundle_key", 0, 0, str(error))]) from None


class Found(NamedTuple):
    """What a single look at a source came to."""

    bundle: Bundle
    instead: PolicyError | None
    """Why it is the kept bundle, and not what the source has now; ``None`` where it is that."""


async def look_once(options: SourceOptions) -> Found:
    """What a gateway that starts now would load.

    Raises:
        PolicyError: The source has no policy, and none is kept.
    """
    source = source_of(options)
    try:
        bundle = await source.look()
        if bundle is None:
            raise AssertionError("a first look always tells")
        return Found(bundle, None)
    except PolicyError as error:
        kept = await source.kept()
        if kept is None:
            raise
        return Found(kept, error)
    finally:
        await source.close()


def kept_of(options: SourceOptions) -> Bundle | None:
    """The bundle that is kept of this source; ``None`` where there is none.

    Raises:
        PolicyError: It cannot be used.
    """
    place = str(options.path.absolute()) if options.server is None else options.server.url
    return None if options.keep is None else Keep(options.keep, place).load(key_of(options))


class _Watched:
    """What folders and files share: a look at names, times and sizes tells whether to read again."""

    def __init__(self, path: Path, interval_s: float) -> None:
        self.place = str(path)
        self.interval_s = interval_s
        self._path = path
        self._seen: Signature | None = None

    async def _changed(self) -> bool:
        seen = await asyncio.to_thread(signature, self._path)
        if seen == self._seen:
            return False
        if self._seen is not None:
            await asyncio.sleep(_SETTLE_S)
            if await asyncio.to_thread(signature, self._path) != seen:
                return False  # still being written: the next look will tell
        self._seen = seen
        return True

    async def close(self) -> None:
        """Nothing is open."""


class _Folder(_Watched):
    """A folder of Rego. It is its own copy: nothing is kept."""

    async def look(self) -> Bundle | None:
        return await asyncio.to_thread(load_bundle, self._path) if await self._changed() else None

    async def accepted(self, bundle: Bundle) -> None:
        """It stays where it is."""

    async def kept(self) -> Bundle | None:
        return None


class _Kept:
    """What archives share: the last good one is kept."""

    def __init__(self, keep: Path | None, place: str, key: BundleKey | None) -> None:
        self._key = key
        self._keep = None if keep is None else Keep(keep, place)
        self._read = self._good = b""

    def accept(self) -> None:
        self._good = self._read

    async def save(self) -> None:
        if self._keep is not None:
            await asyncio.to_thread(self._keep.save, self._good)

    async def load(self) -> Bundle | None:
        return await asyncio.to_thread(self._keep.load, self._key) if self._keep is not None else None

    async def read(self, content: bytes, path: Path | str) -> Bundle:
        self._read = content
        return await asyncio.to_thread(read_bundle, content, path, self._key)


class _Archive(_Watched):
    """An OPA bundle in a file."""

    def __init__(self, path: Path, interval_s: float, key: BundleKey | None, keep: Path | None) -> None:
        super().__init__(path, interval_s)
        self._kept = _Kept(keep, str(path.absolute()), key)

    async def look(self) -> Bundle | None:
        if not await self._changed():
            return None
        if self._path.is_dir():
            raise PolicyError([Problem(self.place, 0, 0, "a folder has no signature, and policy.bundle_key asks for one", "gateway policy build --sign")])
        try:
            content = await asyncio.to_thread(_read_file, self._path)
        except OSError as error:
            raise PolicyError([Problem(self.place, 0, 0, "the bundle cannot be read", error.strerror or "check its permissions")]) from None
        return await self._kept.read(content, self._path)

    async def accepted(self, bundle: Bundle) -> None:  # noqa: ARG002 - it is the one that was read last
        self._kept.accept()
        await self._kept.save()

    async def kept(self) -> Bundle | None:
        return await self._kept.load()


class _Server:
    """An OPA bundle on a server. Only a bundle that went live is asked for conditionally, so that one that came broken is fetched again."""

    def __init__(self, options: ServerOptions, key: BundleKey | None, keep: Path | None) -> None:
        self.place = options.url
        self.interval_s = options.poll_s
        self._client = BundleClient(options.url, token=options.token, max_bytes=MAX_ARCHIVE_BYTES, download_s=options.download_s)
        self._kept = _Kept(keep, options.url, key)
        self._good: tuple[Bundle, bytes] | None = None
        self._etag = ""
        self._told = b""
        self._next = ""

    async def look(self) -> Bundle | None:
        try:
            content, etag = await self._client.fetch(self._etag)
        except BundleClientError as error:
            self._told = b""
            raise UnreachableError([Problem(self.place, 0, 0, error.message, "see the server of policy.bundle")]) from None
        digest = hashlib.sha256(content or b"").digest()
        if self._good is not None and (content is None or digest == self._good[1]):
            self._told = b""
            self._etag = etag
            return self._good[0]
        if content is None or digest == self._told:
            return None
        self._told, self._next = digest, etag
        return await self._kept.read(content, self.place)

    async def accepted(self, bundle: Bundle) -> None:
        if self._good is None or self._good[0] is not bundle:
            self._good, self._etag, self._told = (bundle, self._told), self._next, b""
            self._kept.accept()
        await self._kept.save()

    async def kept(self) -> Bundle | None:
        return await self._kept.load()

    async def close(self) -> None:
        await self._client.close()


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_ARCHIVE_BYTES + 1)
