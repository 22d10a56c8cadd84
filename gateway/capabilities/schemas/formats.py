"""Formats: the checkers of jsonschema, each on texts of a bounded length, as some take time in the square of it.

A text longer than its format's bound does not conform. ``iri`` and ``iri-reference`` are checked as URIs with a letter for each character beyond ASCII, as the
library's own parser takes milliseconds for a short one. ``regex`` means a pattern that google-re2 runs. Formats that are not listed are annotations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from gateway.capabilities.schemas.patterns import is_pattern

Conforms = Callable[[str, str], bool]
"""Given a text and a format of the library: whether it conforms."""

LENGTHS: Mapping[str, int] = {
    "date": 10,
    "time": 64,
    "date-time": 64,
    "duration": 128,
    "email": 320,
    "idn-email": 320,
    "hostname": 254,
    "idn-hostname": 254,
    "ipv4": 15,
    "ipv6": 45,
    "uri": 8_192,
    "uri-reference": 8_192,
    "iri": 8_192,
    "iri-reference": 8_192,
    "uri-template": 1_024,
    "uuid": 36,
    "json-pointer": 4_096,
    "relative-json-pointer": 4_096,
    "regex": 1_024,
}
"""Most characters of a text of each format: what its standard allows (RFC 3339, 5321, 1035, 4291, 9562), or what can be checked in about a millisecond."""

_AS_URI = {"iri": "uri", "iri-reference": "uri-reference"}
_BEYOND_ASCII = re.compile("[\u00a0-\U0010ffff]")


def conforms(text: str, name: str, conforms_in_library: Conforms) -> bool:
    """Whether a text conforms to a format; always true for a format that is not in ``LENGTHS``."""
    longest = LENGTHS.get(name)
    if longest is None:
        return True
    if len(text) > longest or text.endswith("\n"):  # several checkers take a line feed at the end for nothing
        return False
    if name == "regex":
        return is_pattern(text)
    if name in _AS_URI:
        return conforms_in_library(_BEYOND_ASCII.sub("a", text), _AS_URI[name])
    return conforms_in_library(text, name)
