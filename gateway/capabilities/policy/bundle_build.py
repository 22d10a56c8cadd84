"""From a policy folder to an OPA bundle: the same folder, revision and key make the same bytes (but for signatures by a curve, which have chance in them)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from gateway.capabilities.policy.bundle import Bundle, folder_files, read_bundle
from gateway.capabilities.policy.bundle_archive import pack
from gateway.capabilities.policy.bundle_manifest import MANIFEST
from gateway.capabilities.policy.bundle_signature import SIGNATURES, sign
from gateway.capabilities.policy.bundle_trust import BundleSigner
from gateway.capabilities.policy.loading import check

REGO_VERSION = 1


class Built(NamedTuple):
    """A bundle that could go live."""

    content: bytes
    """The archive."""
    bundle: Bundle
    """It, read again."""


def build(folder: Path, *, revision: str = "", roots: Sequence[str] = ("",), signer: BundleSigner | None = None) -> Built:
    """The bundle of a policy folder, checked as it is before it goes live.

    Its files are those of the folder as they stand, so that folder and bundle have one revision; without a ``revision`` of the author's own the manifest
    names that one, by which an OPA server tells what it decides by.

    Raises:
        PolicyError: The policy must not go live, or lies outside of ``roots``.
    """
    files = folder_files(folder)
    draft = read_bundle(pack(files), folder)
    files[MANIFEST] = orjson.dumps({"revision": revision or draft.revision, "roots": list(roots), "rego_version": REGO_VERSION})
    if signer is not None:
        files[SIGNATURES] = sign(files, signer)
    content = pack(files)
    bundle = read_bundle(content, folder)
    check(bundle)
    return Built(content, bundle)
