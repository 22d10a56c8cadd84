"""What the gateway can do, each capability usable by itself.

- ``keys``: who a key stands for. ``findings``: what is sensitive in a text. ``redaction``: who sees what of it.
- ``policy``: what Rego says. ``costs``: tokens and money. ``streaming``: server-sent events of chat completions.
- ``records``: the append-only, hash-chained ledger. ``confidence``: how far an answer can be trusted.
"""
