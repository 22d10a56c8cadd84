"""What Rego says about an intent and its answer, and that nothing else than a clear "allow" counts as one.

- ``decider``: the live policy, asked by the pipeline; it reloads when its source changes. ``policy``: one compiled revision, immutable.
- ``loading``: from a folder to a compiled policy: ``bundle`` and ``data_document`` read it, ``source_lint`` and ``lint`` refuse what is not portable
  or could run long (``builtins``: what may be called; ``contract``: what there is to refer to; ``syntax``: the parsed modules), ``trial`` tries it in a
  child process (``trial_child``) that can be killed.
- ``contract_schemas``, written with ``contract_forms``: the contract as JSON Schemas, which ``gateway/contract/`` has as files; ``annotations``: what a file
  says of its own contract.
- ``lint_calls``, ``lint_cost``, ``lint_input``, ``lint_money``, ``lint_verdict``: one kind of error each; ``lint_advice``: the warnings; ``lint_rules``:
  all of them by name. They stand on ``reach`` (which rules need which), ``bindings`` (what local names are) and ``rewrites`` (what to write instead).
- ``sources``: the folder, archive file or server that it comes from; ``bundle_keep`` keeps the last good one. An OPA bundle is unpacked by ``bundle_archive``,
  held against its ``bundle_manifest`` and its ``bundle_signature`` (``bundle_keys``, ``bundle_trust``), and made by ``bundle_build``. ``difference``: what
  changed between two.
- ``shadow``: a candidate that is asked beside the live policy and changes nothing; ``shadow_worker`` is the thread that asks it.
- ``opa_engine``: an OPA server in the place of the embedded engine, which may stand in for it.
- ``projection``: the part of the input that a hook's rules refer to, as JSON. ``verdict``: what came back, strictly parsed. ``memo``: verdicts remembered.
- ``backtest``: recorded decisions asked again of a candidate. ``bench``: what decisions cost, by rule.
- ``rehearsal``: what a policy would decide, asked in a child process. On it stand ``explain`` (which rules fired, by a policy that ``explain_tracing``
  rewrote; ``explain_stored``: of a recorded decision) and ``what_if`` (a changed input; ``input_paths``: where, ``flip_candidates``: what to try).
- ``author_tests``: runs the ``test_`` rules, ``author_tests_opa`` in OPA; ``author_report``: what is shown of it.
- ``problems``: what is wrong with a policy, and where.
"""
