"""What Rego says about an intent and its answer, and that nothing else than a clear "allow" counts as one.

- ``decider``: the live policy, asked by the pipeline; it reloads when the files change. ``policy``: one compiled revision, immutable.
- ``loading``: from a folder to a compiled policy: ``bundle`` and ``data_document`` read it, ``source_lint`` and ``lint`` refuse what is not portable
  or could run long (``builtins``: what may be called; ``contract``: what there is to refer to; ``syntax``: the parsed modules), ``trial`` tries it in a
  child process (``trial_child``) that can be killed.
- ``opa_engine``: an OPA server in the place of the embedded engine, which may stand in for it.
- ``projection``: the part of the input that a hook's rules refer to, as JSON. ``verdict``: what came back, strictly parsed. ``memo``: verdicts remembered.
- ``author_tests``: runs the ``test_`` rules. ``problems``: what is wrong with a policy, and where.
"""
