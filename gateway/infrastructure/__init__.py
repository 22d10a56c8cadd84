"""What the gateway stands on: all I/O, and one border file for each third-party library that matters.

- ``model_client``: what every client of a target offers.
- ``model_openai``: calls of OpenAI-compatible servers (the one importer of aiohttp's client); ``model_stream``, ``sse`` and ``upstream_answers`` beside it.
- ``model_litellm``: calls of every other provider; of the files named after it, ``_library`` loads litellm, ``_wire`` is the network under it, and ``_forms``,
  ``_schemas``, ``_stream`` and ``_errors`` are what goes in and comes out.
- ``price_table``, ``token_counter``: prices and the tokenizer from litellm's package data, without importing litellm (the one importer of tiktoken).
- ``policy_engine_embedded``: Rego within the process. ``policy_engine_process``: the same engine in a child process (``policy_engine_process_child``).
  ``policy_engine_opa``: Rego in an OPA server.
- ``bundle_client``: asks a server for a policy bundle (aiohttp, too).
- ``log_client``: posts decision logs to a server (aiohttp, too); ``database_log``: how far they have come.
- ``gateway_client``: a running gateway over HTTP, for commands.
- ``database`` and what is named after it, ``migrations``: SQLite.
- ``telemetry``: spans, metrics and logs on their way out.
"""
