"""How ``config.yaml`` becomes frozen objects.

``gateway.settings`` is the face of it. The steps, in order:

- ``source``: YAML to plain values, each with the line that it stands on.
- ``models``, ``models_routing``, ``models_policy``: the shape of the file, every key with its default and its help; ``forms``: what a value may look like.
- ``shape``: plain values to models; every unknown key, wrong type and missing key at once.
- ``secret``: references (``env:NAME``, ``file:PATH``) to values that never show themselves.
- ``references``: what one part says of another or of the world outside: secrets, environment; ``schema_files`` reads the schemas, ``route_checks`` has
  what targets and routes say of each other.
- ``compiled``, ``compiled_routes``, ``compiled_options``: what the rest of the gateway sees; ``compiling`` and ``compiling_routes`` make it.
- ``parts``: what is compiled elsewhere (policy, redaction options), whatever else is wrong.
- ``problems``: what can be wrong, each with file and line.
"""
