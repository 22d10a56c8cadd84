"""Makes ``regions.jsonl``: answers of a small model that is really unsure, each with whether it is right.

The question is in which part of the world a city lies: "in which region of the tz database is Nairobi, Kenya?". Names and true regions are those of
the tz database (``zone.tab``, public domain), the model is a naive Bayes classifier over the letters of the names that it was shown, and it is asked about
names that it was not shown (five folds). Its probabilities, its samples, the answers that its schema forbids, what it does without its tool or with a smaller
model in its place, and whether it is right are therefore what they are: nothing is computed from the score. One thing was chosen with its figure in view:
the country was added because the model was right in only a third of its answers without it; ``docs/confidence.md`` gives both figures.

Invented are: how often the tool fails and the smaller model answers, the wording, when it declines to answer, and how it says how sure it is.

Run from the root of the checkout: ``python -m tests.data.confidence.make_regions``. The same ``zone.tab`` gives the same file.
With ``--names-only FILE`` it writes the harder questions, without the country, to another file.
"""

from __future__ import annotations

import json
import math
import random
import sys
import zoneinfo
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

FILE: Final = Path(__file__).with_name("regions.jsonl")
SEED: Final = 20_260
FOLDS: Final = 5
SAMPLES: Final = 5
TOOL_FAILS: Final = 0.2
FALLBACK: Final = 0.15
DECLINES_BELOW: Final = 0.3
"""The model does not answer if it takes nothing to be likelier than this."""
ASKED: Final = ("Africa", "America", "Asia", "Australia", "Europe", "Pacific")
"""What the schema allows. The model has also been shown cities of other regions (Atlantic, Indian, ...) and may answer with these, which breaks the schema."""
SCHEMA: Final = {
    "type": "object",
    "properties": {"region": {"enum": list(ASKED)}, "confidence": {"type": "number", "minimum": 0, "maximum": 1}},
    "required": ["region", "confidence"],
    "additionalProperties": False,
}
NOISE: Final = {-0.1: 0.25, 0.0: 0.5, 0.1: 0.25}
"""Added to what the model says of itself, with these probabilities."""


class City(NamedTuple):
    name: str
    region: str


class Answer(NamedTuple):
    region: str | None
    tokens: list[tuple[str, float | None]]
    """With their log probabilities, where the model has any."""
    repairs: int


class Model:
    """Naive Bayes over the pieces of a name, of up to ``longest`` letters."""

    def __init__(self, cities: Sequence[City], longest: int) -> None:
        self.longest = longest
        self.cities = [(city, frozenset(pieces(city.name, longest))) for city in cities]
        self.regions = Counter(city.region for city in cities)
        self.counts: dict[str, Counter[str]] = {region: Counter() for region in self.regions}
        for city in cities:
            self.counts[city.region].update(pieces(city.name, longest))
        self.known = len(set().union(*self.counts.values()))

    def probabilities(self, name: str) -> dict[str, float]:
        """By region. Every letter is in pieces of each length, so the evidence is divided by their number."""
        logs = {}
        for region, cities in self.regions.items():
            counts, total = self.counts[region], self.counts[region].total()
            evidence = sum(math.log((counts[piece] + 0.2) / (total + 0.2 * self.known)) for piece in pieces(name, self.longest))
            logs[region] = math.log(cities) + evidence / self.longest
        return normalised({region: math.exp(value - max(logs.values())) for region, value in logs.items()})

    def nearest(self, name: str) -> tuple[City, float]:
        """The city shown whose name is most like this one, and how like it is."""
        own = frozenset(pieces(name, self.longest))
        return max(((city, len(own & theirs) / len(own | theirs)) for city, theirs in self.cities), key=lambda found: (found[1], found[0]))


def pieces(name: str, longest: int) -> list[str]:
    """All runs of one to ``longest`` letters, the ends of the name marked."""
    marked = f"^{name.casefold()}$"
    return [marked[at : at + size] for size in range(1, longest + 1) for at in range(len(marked) - size + 1)]


def normalised(shares: Mapping[str, float]) -> dict[str, float]:
    """Shares that add up to 1."""
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def answer(probabilities: Mapping[str, float], name: str, drawn: random.Random) -> Answer:
    """One answer, drawn; asked once more where it breaks the schema, when the model leaves out what it said first."""
    if max(probabilities.values()) < DECLINES_BELOW:
        return Answer(None, [(f"I'm sorry, but I can't determine the region of {name}.", None)], 0)
    repairs = 0
    region = drawn.choices(list(probabilities), list(probabilities.values()))[0]
    if region not in ASKED:
        repairs = 1
        probabilities = normalised({other: share for other, share in probabilities.items() if other != region})
        region = drawn.choices(list(probabilities), list(probabilities.values()))[0]
    noise = drawn.choices(list(NOISE), list(NOISE.values()))[0]
    # Models that are asked how sure they are name high numbers, and round ones.
    said = f"{min(max(0.5 + probabilities[region] / 2 + noise, 0.0), 1.0):.1f}"
    sure = [round(math.log(share), 4) for share in (probabilities[region], NOISE[noise])]
    return Answer(region, [('{"region": "', 0.0), (region, sure[0]), ('", "confidence": ', 0.0), (said, sure[1]), ("}", 0.0)], repairs)


def asked(city: City, model: Model, drawn: random.Random, fallback: bool) -> dict[str, Any]:
    """A line of the file: one question, the tool's result, and the answers to it."""
    probabilities = model.probabilities(city.name)
    if drawn.random() < TOOL_FAILS:
        result = {"error": "the index did not answer in time"}
    else:
        near, likeness = model.nearest(city.name)
        result = {"nearest": near.name, "region": near.region}
        probabilities = normalised({region: share * (1 + 4 * likeness * (region == near.region)) for region, share in probabilities.items()})
    answers = [answer(probabilities, city.name, drawn) for _ in range(SAMPLES)]
    return {
        "question": city.name,
        "tool": json.dumps(result),
        "fallback": fallback,
        "answers": [
            {
                "tokens": given.tokens,
                "correct": given.region == city.region,
                "valid": None if given.region is None else given.region in ASKED,
                "repairs": given.repairs,
            }
            for given in answers
        ],
    }


def cities(names_only: bool) -> list[City]:
    """Of the tz database that this machine has, with their countries, ``Nairobi, Kenya``, or without."""
    folder = next(Path(folder) for folder in zoneinfo.TZPATH if (Path(folder) / "zone.tab").is_file())
    countries = dict(table(folder / "iso3166.tab"))
    zones = [(countries[code], zone.split("/")) for code, _, zone, *_ in table(folder / "zone.tab")]
    return sorted({City(parts[-1].replace("_", " ") + ("" if names_only else f", {country}"), parts[0]) for country, parts in zones})


def table(path: Path) -> list[list[str]]:
    """The lines of a file of values with tabs between them."""
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def rows(names_only: bool) -> list[dict[str, Any]]:
    """Every city is asked about once, of a model that was shown the cities of the other folds."""
    drawn = random.Random(SEED)
    every = cities(names_only)
    drawn.shuffle(every)
    made = []
    for fold in range(FOLDS):
        shown = [city for at, city in enumerate(every) if at % FOLDS != fold]
        large, small = Model(shown, 4), Model(shown[::4], 2)
        for city in every[fold::FOLDS]:
            if city.region in ASKED:
                fallback = drawn.random() < FALLBACK
                made.append(asked(city, small if fallback else large, drawn, fallback))
    return made


def main(arguments: Sequence[str]) -> None:
    """Write the file."""
    names_only = arguments[:1] == ["--names-only"]
    path = Path(arguments[1]) if names_only else FILE
    path.write_text("".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows(names_only)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
