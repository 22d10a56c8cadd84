"""What a tenant chooses."""

from __future__ import annotations

from gateway.capabilities.findings.options import ScanOptions, ScanOptionsError


def test_nothing_is_chosen_by_default() -> None:
    options = ScanOptions()
    assert [*options.patterns, *options.words, *options.enable, *options.countries] == []


def test_the_error_says_which_option_is_wrong() -> None:
    error = ScanOptionsError("what is wrong", option="enable", name="X")
    assert isinstance(error, ValueError)
    assert (str(error), error.option, error.name) == ("what is wrong", "enable", "X")
