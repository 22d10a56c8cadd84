"""``make demo``: the governed call, told in ten stories on real processes. Exits 0 only if every story is true."""

from __future__ import annotations

import pathlib
import shutil
import sys
import tempfile
import textwrap
import time

import openai
from crash import crash
from failures import FAILURES
from people import PEOPLE
from stage import ROOT, Stage
from stories import STORIES, NotAsToldError, Told

WIDTH = max(60, min(shutil.get_terminal_size((120, 40)).columns, 140))


def show(stage: Stage, told: Told) -> None:
    """Print a story, with what its record says of the decision and the steps."""
    if told.record:
        record = stage.record(told.record)
        told.lines[:0] = [("decided", record.decided)]
        if len(record.attempts) > 1:
            told.say("attempts", record.attempts_told)
        told.say("steps", record.steps)
        told.say("record", f"{told.record}  {record.state}")
    for who, what in told.lines:
        print(textwrap.fill(what, WIDTH, initial_indent=f"  {who:>13}  ", subsequent_indent=" " * 17))


def tell(stage: Stage, key: str) -> list[tuple[str, str, bool, str]]:
    """All stories in order; the rows of the summary."""
    rows = []
    for number, title, story in (*STORIES, *FAILURES, *PEOPLE, ("10", "kill -9 in mid-load, and nothing is lost", crash)):
        print(f"\n{number}. {title}\n   {(story.__doc__ or '').strip()}")
        began = time.monotonic()
        try:
            show(stage, story(stage, key))
            verdict, ok = "as told", True
        except (NotAsToldError, openai.OpenAIError) as failure:
            verdict, ok = f"NOT AS TOLD: {failure}", False
            print(f"  {'':>13}  {verdict}")
        rows.append((number, title, ok, f"{verdict}, {time.monotonic() - began:.1f} s"))
    return rows


def main() -> int:
    """Tell the stories; the exit status."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gateway-demo-"))
    stage = Stage(folder)
    try:
        stage.prepare()
        # Before the start: a running gateway may take a moment to learn of a key.
        key, stage.reviewer_key = stage.new_key("demo", "support"), stage.new_key("Ada Example", "support", "reviewer")
        stage.start_provider()
        print(f"The gateway is ready after {stage.start_gateway():.2f} s on {stage.base_url}, in front of a provider that only simulates a model.")
        rows = tell(stage, key)
    finally:
        stage.close()
    print("\n" + "\n".join(f"  {'ok  ' if ok else 'FAIL'}  {number}. {title:<46}  {verdict}" for number, title, ok, verdict in rows))
    if not all(ok for _, _, ok, _ in rows):
        print(f"\nThe logs and the database are in {folder}.")
        return 1
    shutil.rmtree(folder)
    print((ROOT / "demo" / "next_steps.txt").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
