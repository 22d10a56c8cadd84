"""What the gateway can do, each capability usable by itself.

- ``keys``: who a key stands for. ``findings``: what is sensitive in a text. ``redaction``: who sees what of it.
- ``policy``: what Rego says. ``costs``: tokens and money. ``streaming``: server-sent events of chat completions.
- ``records``: the append-only, hash-chained ledger. ``confidence``: how far an answer can be trusted.
- ``routing``: which target is called next, and when to stop. ``schemas``: what an answer has to be. ``offers``: price and window of a target's model.
- ``payloads``: what is kept of an intent, encrypted. ``approvals``: what people decided in favour of one exact call.
- ``decision_log``: what policy decided, in OPA's format.
- ``routing_check``: what is wrong with the schemas, last resorts and conditions of a config.
- ``intents``: those that wait for a person or came with an idempotency key. ``tasks``: what people decide.
"""
