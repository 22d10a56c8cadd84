"""The table of vendors' prefixes."""

from __future__ import annotations

from gateway.capabilities.findings.detectors.secret_prefixes import PREFIXES


def test_the_longest_prefix_is_tried_first_and_each_stands_under_its_first_two_characters() -> None:
    for head, rows in PREFIXES.items():
        assert all(row.text.startswith(head) for row in rows)
        assert [len(row.text) for row in rows] == sorted((len(row.text) for row in rows), reverse=True)


def test_a_value_too_short_is_none() -> None:
    (row,) = (row for row in PREFIXES[b"gh"] if row.text == b"ghp_")
    assert row.pattern.match(b"ghp_" + b"a1" * 15)
    assert not row.pattern.match(b"ghp_" + b"a1" * 14)
