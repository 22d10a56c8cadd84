"""What the gateway tells its operators: traces, metrics and logs. It fails open: nothing here ever fails or delays an intent.

Read in this order:

- ``traceparent``: the W3C header, parsed strictly, and new ids
- ``tracing``: ``Tracer`` and ``Trace``, which collect an intent's spans as tuples while it runs
- ``exporting``: the bounded queue and the thread that sends what was collected
- ``otlp_json``: the default sender, OTLP/JSON over one kept-alive connection
- ``otlp_sdk``: the official exporters (``http/protobuf``, ``grpc``); the only importer of opentelemetry, itself loaded only when asked for
- ``semconv``: every name of a span and an attribute, and the attributes of each kind of span; ``provider_names``: the conventions' names of providers
- ``content``: messages in the shape of the GenAI conventions, where the configuration asks for content
- ``instruments``, ``metrics`` and ``metrics_people``: what ``/metrics`` shows; ``metrics`` is the only importer of prometheus_client besides ``instruments``
- ``logs``: one format for our lines and those of libraries; the only importer of structlog
"""
