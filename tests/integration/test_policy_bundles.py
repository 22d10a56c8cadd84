"""Bundles from end to end: what real OPA builds and signs is taken here, what is built here is taken there; and a gateway whose bundle changes under load."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.capabilities.policy.bundle import load_bundle, read_bundle
from gateway.capabilities.policy.bundle_archive import pack
from gateway.capabilities.policy.bundle_build import build
from gateway.capabilities.policy.bundle_keys import bundle_key, bundle_signer
from gateway.capabilities.policy.contract import VERDICT_RULES, samples
from gateway.capabilities.policy.difference import difference
from gateway.capabilities.policy.problems import PolicyError
from gateway.domain import Hook
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine
from gateway.testing import ALLOW_ALL, Reply, local_gateway
from tests.capabilities.policy.bundle_server import BundleServer
from tests.servers.opa_server import opa_binary

EXAMPLES = Path(__file__).parents[2] / "policies"
SECRET = "a shared secret, long enough"
ALGORITHMS: dict[str, Callable[[], ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey]] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "RS256": lambda: rsa.generate_private_key(65_537, 2_048),
    "RS512": lambda: rsa.generate_private_key(65_537, 2_048),
    "PS256": lambda: rsa.generate_private_key(65_537, 3_072),
    "PS384": lambda: rsa.generate_private_key(65_537, 2_048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
}
ODD_DATA = """\
t:
  f: [1.0, 2.50, 0.00000012, 1234567890123.25, 100000000000000.5, 0.0, -3.0, 123456789012345678]
  s: "é \\u2028 <&> \\b \\x7f \\u0001 \\U0001F600"
  "": [{}, [], null, true]
"""


def opa(*arguments: object, said: str | None = None) -> str:
    """What ``opa`` prints; where it has to refuse, what it says."""
    done = subprocess.run([opa_binary(), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode == 0) == (said is None), done.stdout + done.stderr
    assert said is None or said in done.stdout + done.stderr
    return done.stdout


def keys(folder: Path, algorithm: str) -> tuple[object, object, bytes, bytes]:
    """For ``opa`` and for us: what signs and what verifies."""
    if algorithm.startswith("HS"):
        return SECRET, SECRET, SECRET.encode(), SECRET.encode()
    private = ALGORITHMS[algorithm]()
    signing = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    verifying = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name, content in (("private.pem", signing), ("public.pem", verifying)):
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    return folder / "private.pem", folder / "public.pem", signing, verifying


def odd_policy(folder: Path) -> Path:
    folder.mkdir()
    for name, text in ALLOW_ALL.items():
        (folder / name).write_text(text)
    (folder / "data.yaml").write_text(ODD_DATA)
    return folder


@pytest.mark.services
@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "HS256", "HS384", "HS512"])
def test_what_opa_builds_and_signs_is_taken_with_the_key_that_belongs_to_it(algorithm: str, tmp_path: Path) -> None:
    signing, _, _, verifying = keys(tmp_path, algorithm)
    folder, output = odd_policy(tmp_path / "policies"), tmp_path / "bundle.tar.gz"
    opa("build", "-b", folder, "--revision", "v1", "--signing-key", signing, "--signing-alg", algorithm, "-o", output)
    bundle = load_bundle(output, bundle_key(verifying))
    assert bundle.signed.startswith(algorithm)
    assert bundle.manifest.revision == "v1"
    assert not difference(load_bundle(folder), bundle).any
    with pytest.raises(PolicyError, match=r"is not of policy|not signed with an algorithm"):
        load_bundle(output, bundle_key(b"another secret, long enough"))


@pytest.mark.services
@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256", "ES256", "ES384", "ES512", "HS256"])
def test_what_is_built_and_signed_here_is_taken_by_opa_with_the_key_that_belongs_to_it(algorithm: str, tmp_path: Path) -> None:
    _, verifying, signing, _ = keys(tmp_path, algorithm)
    ours = tmp_path / "ours.tar.gz"
    ours.write_bytes(build(odd_policy(tmp_path / "policies"), signer=bundle_signer(signing)).content)
    theirs = tmp_path / "theirs.tar.gz"
    opa("build", "-b", ours, "--verification-key", verifying, "--signing-alg", algorithm, "-o", theirs)
    assert not difference(load_bundle(ours), load_bundle(theirs)).any
    other = tmp_path / "other"
    other.mkdir()
    _, wrong, _, _ = keys(other, algorithm)
    if not algorithm.startswith("HS"):
        opa("build", "-b", ours, "--verification-key", wrong, "--signing-alg", algorithm, "-o", theirs, said="verif")
    opa("build", "-b", ours, "--verification-key", "another secret, long enough", "--signing-alg", "HS256", "-o", theirs, said="verif")


@pytest.mark.services
@pytest.mark.parametrize("hook", [Hook.INTENT, Hook.ANSWER])
def test_a_bundle_that_is_built_here_decides_alike_in_opa(hook: Hook, tmp_path: Path) -> None:
    built, path, asked = build(EXAMPLES, revision="v1"), tmp_path / "bundle.tar.gz", tmp_path / "input.json"
    path.write_bytes(built.content)
    engine = EmbeddedEngine(built.bundle.modules, built.bundle.data_json)
    for sample in samples(hook).values():
        asked.write_text(json.dumps(sample))
        theirs = json.loads(opa("eval", "-b", path, "-i", asked, VERDICT_RULES[hook]))
        assert engine.evaluate(VERDICT_RULES[hook], asked.read_text()) == theirs["result"][0]["expressions"][0]["value"]


REVISIONS = 20
INTENT = """package gateway.intent

import data.more

verdict := {"outcome": "allow", "obligations": {"labels": {"bundle": "%d"}}} if {
	data.number == %d
	more.number == %d
}
"""


def bundle_of(number: int) -> bytes:
    """A policy that allows where its rules and both parts of its data are of one bundle, and says which one that is."""
    files = {
        "intent.rego": INTENT % (number, number, number),
        "answer.rego": ALLOW_ALL["answer.rego"],
        "data.json": json.dumps({"number": number}),
        "more/data.json": json.dumps({"number": number}),
        ".manifest": json.dumps({"revision": f"v{number}", "roots": [""]}),
    }
    return pack({name: text.encode() for name, text in files.items()})


async def test_bundles_that_change_under_load_drop_no_request_and_no_decision_is_by_a_mixture(tmp_path: Path) -> None:
    bundles = [bundle_of(number) for number in range(REVISIONS + 1)]
    revisions = {read_bundle(content, Path("x")).revision: str(number) for number, content in enumerate(bundles)}
    async with BundleServer(bundles[0]) as server, local_gateway(tmp_path, policies=tmp_path / "none", changes=served_by(server, tmp_path)) as local:
        done = asyncio.Event()
        replies: list[Reply] = []

        async def caller(name: str) -> None:
            while not done.is_set():
                replies.append(await local.ask(f"{name} {len(replies)}"))

        callers = [asyncio.create_task(caller(name)) for name in "abcdef"]
        for content in bundles[1:]:
            server.content = content
            await becomes(lambda: local.gateway.services.policy.revision, read_bundle(content, Path("x")).revision)
            replied = len(replies) + 12  # six of them begin after the change
            await becomes(partial(at_least, replies, replied), True)
        done.set()
        await asyncio.gather(*callers)
        entries = await local.entries()
        metrics = (await local.get("/metrics")).body.decode()
    assert {reply.status for reply in replies} == {200}
    opened = [entry["facts"] for entry in entries if entry["kind"] == "opened"]
    decided = [(entry["decision"]["revision"], entry["decision"]["obligations"]["labels"]["bundle"]) for entry in opened]
    assert len(decided) == len(replies)
    assert all(revisions[revision] == label for revision, label in decided)
    assert {label for _, label in decided} >= {str(number) for number in range(1, REVISIONS + 1)}
    assert all(entry["versions"]["policy"] == entry["decision"]["revision"] for entry in opened)
    assert all(entry["versions"]["policy_label"] == f"v{revisions[entry['decision']['revision']]}" for entry in opened)
    assert f'gateway_policy_reloads_total{{result="ok"}} {REVISIONS + 1}' in metrics.replace(".0\n", "\n")


def served_by(server: BundleServer, folder: Path) -> dict[str, str]:
    return {f"path: {folder / 'none'}, reload_s: 0.1": f"bundle: {{url: '{server.url}', poll_s: 0.02}}"}


def at_least(replies: list[Reply], number: int) -> bool:
    return len(replies) >= number


async def becomes(state: Callable[[], object], wanted: object) -> None:
    for _ in range(3_000):
        if state() == wanted:
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come to that in 30 s")


async def test_a_gateway_starts_on_its_kept_bundle_where_the_server_is_away_and_readiness_says_so(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    keep = {"poll_s: 0.02}": f"poll_s: 0.02}}, keep: {tmp_path / 'keep'}"}
    async with BundleServer(bundle_of(7)) as server:
        first = served_by(server, tmp_path)
        async with local_gateway(tmp_path / "first", policies=tmp_path / "none", changes=first | keep) as local:
            ready = (await local.get("/readyz")).json
            assert (ready["status"], ready["policy"]["label"]) == ("ready", "v7")
    async with local_gateway(tmp_path / "second", policies=tmp_path / "none", changes=first | keep) as local:
        reply: Reply = await local.ask("hello")
        ready = (await local.get("/readyz")).json
    assert reply.status == 200
    assert (ready["status"], ready["policy"]["label"], ready["policy"]["kept"]) == ("degraded", "v7", True)
    assert "cannot be reached" in ready["policy"]["reload_error"]
