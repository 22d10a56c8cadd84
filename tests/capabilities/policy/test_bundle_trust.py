"""A key says whether a signature is its own, and a policy that needs no key loads without the library of keys."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.capabilities.policy.bundle_trust import BundleKey


def refuse(algorithm: str, message: bytes, signature: bytes) -> None:
    if message != signature:
        raise ValueError(algorithm)


@pytest.mark.parametrize(("algorithm", "signature", "good"), [("A", b"m", True), ("A", b"n", False), ("B", b"m", False)])
def test_only_its_own_signature_in_its_own_algorithm_verifies(algorithm: str, signature: bytes, good: bool) -> None:
    key = BundleKey(kind="Odd", id="1", algorithms=frozenset({"A"}), check=refuse)
    assert key.verifies(algorithm, b"m", signature) is good
    assert str(key) == "Odd key 1"


def test_the_lint_loads_no_cryptography() -> None:
    code = "import sys, gateway.surfaces.cli.policy_lint; print(any(name.startswith('cryptography') for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
