"""The simulated provider: a real HTTP server that speaks OpenAI's chat completions, says what a script tells it to say, and fails in every way a real one does.

It is for the demo, the tests and the bench, and it says so in every answer (``"system_fingerprint": "simulated"``).

- ``script``: the script: rules with conditions, replies and faults; ``script_reader`` reads it from YAML, checked with file and line.
- ``prompt``: what a rule can see of a request, and the values that it can quote.
- ``answers``: the bodies and stream chunks of an ordinary answer. ``embeddings``: the vectors of ``/v1/embeddings``.
- ``faults``: how an answer goes wrong.
- ``server``: ``SimulatedProvider``, the server; tests start it in their own event loop.

``gateway simulate --script FILE`` runs it as a process of its own. Nothing else in the gateway imports this package.
"""
