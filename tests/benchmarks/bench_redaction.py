"""Measures the scanner: precision and recall on labelled texts, CPU per KB, hostile strings, and how much a stream holds back.

The labelled texts lie in the folder that ``PII_DATA`` names; without them the rest is measured all the same.
"""

from __future__ import annotations

import json
import os
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from gateway.capabilities.findings.scanner import Scanner
from gateway.domain import Finding

SEVEN = ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS", "US_DRIVER_LICENSE")
CORE = (*SEVEN[:6], "MAC_ADDRESS", "CRYPTO", "US_ITIN", "US_NPI", "US_MBI", "UK_NINO", "UK_NHS")
ROOT = Path(__file__).parents[2]
KB = 1024
DEFAULT_DATA = ROOT.parent / "shared" / "data" / "pii"
HOSTILE_SIZE = 100_000
UNITS = (
    "a", "0", "1 ", "12-", "a@", "@a.", "::", "1:", "0.0", "a://b:c@", "eyJabcdefghijklmnop.",
    "-----BEGIN PRIVATE KEY-----\n", 'password="', "token=", "passw:", "secret=a1",
    "<A_", "+1 (2", "123 456 ", "GB82 WEST ", "4111 1111 1111 1111 ", "ssn 123456789 ", "phone 11 22 33 ", "sk-ant-", "\\n1", "12345678:AA", "\u0663",
)  # fmt: skip
NOISE = ("01 ", "0a-", "0a:", "a.@", "0.", "1 -(+", "ab0:.", '"\\=: keypassword', "0123456789 -.")
PROSE = (
    "Sure, here is how I would go about that. First look at the structure of the project as a whole, and decide which parts are worth keeping; "
    "the hardest thing is to say no. "
    "We met in 2017 with about 300 people, it cost $1,200 in total, and the notes are still on the wiki. "
    "Write to jane.doe@example.com or call (415) 555-0132 after 10:30. "
    "Whatever you choose, keep the first version small: people forgive "
    "what is missing more easily than what does not work, and nobody reads a long manual twice.\n\n"
)


def main() -> None:
    """Print everything."""
    scanner = Scanner()
    folder = Path(os.environ.get("PII_DATA", DEFAULT_DATA))
    if (folder / "sentences_dev.jsonl").is_file():
        sentences(scanner, rows(folder / "sentences_dev.jsonl"))
        vectors(scanner, rows(folder / "recogniser_vectors_dev.jsonl"))
    else:
        print(f"no labelled texts in {folder} (set PII_DATA): precision and recall are not measured")
    speed(scanner)
    hostile(scanner)
    streams(scanner)


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def covered(span: dict[str, Any], findings: Iterable[Finding]) -> bool:
    """Whether findings of any type cover the whole span."""
    at = span["start"]
    for found in findings:
        if found.start <= at < found.end:
            at = found.end
    return bool(at >= span["end"])


def overlaps(span: dict[str, Any], found: Finding) -> bool:
    """Whether the finding is of the span's type and touches it."""
    return bool(span["type"] == found.category and span["start"] < found.end and found.start < span["end"])


def sentences(scanner: Scanner, texts: list[dict[str, Any]]) -> None:
    """Recall: spans covered by findings of any type; precision: findings of the seven types that overlap a span of their type."""
    spans, hit, given, right = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for row in texts:
        findings = scanner.scan(row["text"])
        for span in row["spans"]:
            spans[span["type"]] += 1
            hit[span["type"]] += covered(span, findings)
        for found in findings:
            given[found.category] += 1
            right[found.category] += any(overlaps(span, found) for span in row["spans"])
    print(f"\n{len(texts)} sentences{'precision':>24}{'recall':>10}{'spans':>8}")
    for name in SEVEN:
        print(f"  {name:<24}{ratio(right[name], given[name]):>12}{ratio(hit[name], spans[name]):>10}{spans[name]:>8}")
    totals = [sum(counter[name] for name in SEVEN) for counter in (right, given, hit, spans)]
    print(f"  {'all seven (goal 0.97)':<24}{ratio(totals[0], totals[1]):>12}{ratio(totals[2], totals[3]):>10}{totals[3]:>8}")


def vectors(scanner: Scanner, texts: list[dict[str, Any]]) -> None:
    """A positive is right if each of its spans is touched by a finding of its type, a negative if no finding has it."""
    total, right, positives, found_positives = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for row in texts:
        own = [found for found in scanner.scan(row["text"]) if found.category == row["type"]]
        ok = all(any(overlaps(span, found) for found in own) for span in row["spans"]) and bool(own) if row["positive"] else not own
        total[row["type"]] += 1
        right[row["type"]] += ok
        positives[row["type"]] += row["positive"]
        found_positives[row["type"]] += ok and row["positive"]
    print(f"\n{len(texts)} vectors{'accuracy':>26}{'recall':>10}{'count':>8}")
    for name in (*CORE, *sorted(set(total) - set(CORE))):
        mark = "" if name in CORE else "   (needs a cue or a country pack)"
        print(f"  {name:<24}{ratio(right[name], total[name]):>12}{ratio(found_positives[name], positives[name]):>10}{total[name]:>8}{mark}")
    sums = [sum(counter[name] for name in CORE) for counter in (right, total, found_positives, positives)]
    print(f"  {'core (goal 0.95)':<24}{ratio(sums[0], sums[1]):>12}{ratio(sums[2], sums[3]):>10}{sums[1]:>8}")


def ratio(part: int, whole: int) -> str:
    """Three digits, or a dash where there is nothing to divide by."""
    return f"{part / whole:.3f}" if whole else "-"


def samples() -> dict[str, str]:
    """A text of each kind; code and Markdown are the project's own."""
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "gateway" / "capabilities").glob("*/*.py"))[:12])
    markdown = "".join(path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("*.md"))) or PROSE
    items = [
        {"id": n, "name": f"widget {n}", "price": 12.5 * n, "created": f"2024-03-{n % 28 + 1:02d}T10:00:{n % 60:02d}Z", "tags": ["a", "b"],
         "owner": {"login": f"user{n}", "active": True}}
        for n in range(100)
    ]  # fmt: skip
    return {"prose": PROSE * 12, "code": code, "json": json.dumps(items, indent=1), "markdown": markdown}


def cpu(work: Callable[[], object]) -> float:
    """Seconds of CPU."""
    began = time.process_time()
    work()
    return time.process_time() - began


def speed(scanner: Scanner) -> None:
    """CPU per KB: each sample in pieces of 2 KB, the median of the pieces, each measured seven times."""
    print("\nCPU per KB (goal: median of the kinds at most 75 us)")
    medians = []
    for name, text in samples().items():
        pieces = [text[at : at + 2 * KB] for at in range(0, len(text), 2 * KB)][:40]
        for piece in pieces:
            scanner.scan(piece)
        costs = [min(cpu(partial(scanner.scan, piece)) for _ in range(7)) / len(piece) * KB * 1e6 for piece in pieces]
        medians.append(statistics.median(costs))
        print(f"  {name:<12}{medians[-1]:8.1f} us")
    print(f"  {'median':<12}{statistics.median(medians):8.1f} us")


def hostile(scanner: Scanner) -> None:
    """The slowest of the strings made to be slow."""
    drawn = random.Random(5)
    texts = {unit: (unit * (HOSTILE_SIZE // len(unit) + 1))[:HOSTILE_SIZE] for unit in UNITS}
    texts |= {f"noise of {letters}": "".join(drawn.choice(letters) for _ in range(HOSTILE_SIZE)) for letters in NOISE}
    costs = sorted(((cpu(partial(scanner.scan, text)), name) for name, text in texts.items()), reverse=True)
    print(f"\n{len(costs)} hostile strings of {HOSTILE_SIZE:,} characters (goal: none over 0.5 s)")
    for seconds, name in costs[:3]:
        print(f"  {seconds:6.3f} s  {name!r}")


def streams(scanner: Scanner) -> None:
    """Prose in pieces as a model sends them: what waits on average, and CPU per piece."""
    pieces = re.findall(r"\s*\S{1,5}|\s+", PROSE * 4)
    stream = scanner.stream()
    held, spent = [], []
    for piece in pieces:
        spent.append(cpu(partial(stream.push, piece)))
        held.append(stream.held)
    print(f"\nstream of {len(pieces)} pieces: {statistics.mean(held):.1f} characters held on average (goal 8), {statistics.mean(spent) * 1e6:.0f} us a piece")


if __name__ == "__main__":
    main()
