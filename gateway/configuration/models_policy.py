"""The shape of the section ``policy`` of ``config.yaml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.configuration.forms import OriginOrEnv, Reference, Seconds, Shape, Text, Url, section


class OpaShape(Shape):
    """The OPA server that decides where `engine` is `opa`."""

    url: OriginOrEnv = Field("http://127.0.0.1:8181", description="Where it is: http or https, host and port, no path; or env:NAME.")
    token: Reference | None = Field(None, description="Its bearer token, by reference; env:NAME:- says that there may be none.")
    timeout_ms: int = Field(500, ge=1, le=60_000, description="Milliseconds after which its decision comes too late.")
    fallback: Literal["none", "embedded"] = Field(
        "none", description="Who decides while it cannot be asked: nobody (intents are refused), or the embedded engine by the same revision."
    )


class BundleShape(Shape):
    """A server that has the policy as an OPA bundle. It is asked again and again, with the ETag of the last good one."""

    url: Url = Field(description="Where the bundle (.tar.gz) is: http or https.")
    poll_s: Seconds = Field(10.0, description="Seconds between questions for a change.")
    token: Reference | None = Field(None, description="Its bearer token, by reference; env:NAME:- says that there may be none.")


class ShadowShape(Shape):
    """A candidate policy that is asked beside the live one and changes nothing."""

    path: Text = Field(description="Folder of the Rego files and their data.yaml, or an OPA bundle (.tar.gz), relative to this file.")
    sample: float = Field(1.0, ge=0, le=1, allow_inf_nan=False, description="Share of intents that it is asked about.")
    max_share: float = Field(
        0.1, gt=0, le=1, allow_inf_nan=False, description="Share of one core that asking it may take; what is more is skipped and counted."
    )
    queue_entries: int = Field(1_000, ge=1, le=100_000, description="Decisions that may wait for it; what is more is skipped and counted.")
    memo_entries: int = Field(10_000, ge=0, le=1_000_000, description="Verdicts remembered by the input that was decided; 0 remembers none.")


class PolicyShape(Shape):
    """The Rego that decides."""

    engine: Literal["embedded", "opa"] = Field("embedded", description="What evaluates it: the engine in this process, or an OPA server.")
    opa: OpaShape = section(OpaShape, "The OPA server, where engine is opa. It has to have the same revision loaded as a bundle.")

    path: Text = Field("policies", description="Folder of the Rego files and their data.yaml, or an OPA bundle (.tar.gz), relative to this file.")
    bundle: BundleShape | None = Field(None, description="The server of an OPA bundle, in place of path.")
    bundle_key: Reference | None = Field(
        None,
        description="What a bundle has to be signed with, by reference: a public key or certificate in PEM (RSA, EC, Ed25519), or a shared secret (HMAC).",
    )
    keep: Text = Field(
        ".gateway/policy", description="Folder of the last good bundle, relative to this file: with it the gateway starts while its source fails."
    )
    reload_s: Seconds = Field(1.0, description="Seconds between looks for a change.")
    trial_s: Seconds = Field(10.0, description="Seconds in which a changed policy must compile and pass its trial, in a process of its own.")
    timeout_s: Seconds = Field(1.0, description="Seconds after which a decision comes too late and is a refusal.")
    memo_entries: int = Field(10_000, ge=0, le=1_000_000, description="Verdicts remembered by the input that was decided; 0 remembers none.")
    shadow: ShadowShape | None = Field(None, description="A candidate policy that is asked beside the live one and changes nothing.")
