"""The shape of the section ``policy`` of ``config.yaml``."""

from __future__ import annotations

from pydantic import Field

from gateway.configuration.forms import Seconds, Shape, Text


class PolicyShape(Shape):
    """The Rego that decides."""

    path: Text = Field("policies", description="Folder of the Rego files and their data.yaml, relative to this file.")
    reload_s: Seconds = Field(1.0, description="Seconds between looks for a change.")
    trial_s: Seconds = Field(10.0, description="Seconds in which a changed policy must compile and pass its trial, in a process of its own.")
    timeout_s: Seconds = Field(1.0, description="Seconds after which a decision comes too late and is a refusal.")
    memo_entries: int = Field(10_000, ge=0, le=1_000_000, description="Verdicts remembered by the input that was decided; 0 remembers none.")
