"""The last good bundle, kept on disk: with it a gateway starts although the server is away or has something that must not go live."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from gateway.capabilities.policy.bundle import Bundle, load_bundle
from gateway.capabilities.policy.bundle_trust import BundleKey


class Keep:
    """Where the last good bundle of one source is kept. Bundles of another source are never taken for it."""

    def __init__(self, folder: Path, place: str) -> None:
        """``place`` names the source: a file or a URL."""
        self.path = folder / f"bundle-{hashlib.sha256(place.encode()).hexdigest()[:16]}.tar.gz"

    def load(self, key: BundleKey | None) -> Bundle | None:
        """The kept bundle; ``None`` where there is none.

        Raises:
            PolicyError: It cannot be read, or is not signed with ``key``: what lies on disk is believed no more than what a server sends.
        """
        return load_bundle(self.path, key) if self.path.is_file() else None

    def save(self, content: bytes) -> None:
        """Keep a bundle in place of the one before: whole, durable and readable for this user alone, or not at all.

        Raises:
            OSError: It cannot be written.
        """
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".bundle-", dir=folder)  # mkstemp gives mode 0600
        written = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            written.replace(self.path)
        except OSError:
            written.unlink(missing_ok=True)
            raise
        entry = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)
