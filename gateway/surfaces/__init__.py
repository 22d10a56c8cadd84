"""Who talks to us. A surface parses what came, hands it to the pipeline and renders what comes back; it decides nothing.

- ``front``: the first code to see an HTTP request: limits, unknown paths, the last resort for errors.
- ``openai_chat``, ``openai_embeddings``, ``openai_models``: the OpenAI-compatible endpoints; ``intent_endpoint``: what those share that bring intents.
- ``record_explain``: what happened to an intent, and why.
- ``tasks_api``: what people decide; ``task_forms`` is what they send, ``openapi_tasks`` its part of the document.
- ``operations``: health, readiness, metrics. ``application``: all endpoints together. ``openapi``: the document at ``/docs``.
- ``http_protocol``: bounds on a connection. ``http_request``, ``error_responses``: what they share. ``cli``: the commands of ``gateway``.
"""
