"""How far an answer can be trusted: a score in [0, 1] from signals that say why, and ``None`` where nothing speaks for or against it.

- ``score``: ``Signals`` and the score of them. ``signals``: log probabilities, self-reported confidence and tool errors, read from a call.
- ``refusals``: whether an answer declines. ``agreement``: how far several answers to one question say the same.

Nothing here compares the score with a limit: only policy does.
"""
