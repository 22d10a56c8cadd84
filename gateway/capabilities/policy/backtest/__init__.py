"""Recorded decisions asked again: what a candidate policy would have said of the traffic that was.

- ``running``: the whole of it, from a ledger to a tally. ``source``: records as they stand in the ledger, newest first, in batches. ``crew``: the worker
  processes that do the work, and can be killed; ``worker`` is what runs in each.
- ``recorded``: the decisions of one record. ``completing``: the input as the candidate would see it, and what of it nobody knows any more. ``judging``:
  the candidate's verdict, or why it cannot be had. ``enforcing``: what the gateway refuses by itself. ``comparing``: what differs between two verdicts.
- ``tally``: what is counted; tallies of several batches add up. ``names``: which rule names may be shown. ``report``: the tally as JSON; ``table`` and
  ``page``: drawn for a terminal and as HTML. ``conditions``: what lets a backtest fail.
"""
