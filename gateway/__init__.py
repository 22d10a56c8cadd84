"""The Execution Gateway: the layer between AI agents and the world.

The map, in the direction of imports (each layer may use those below it):

- ``__main__``: the command line; ``app``: the composition root, where everything is built once and wired;
  ``command_groups``: commands that are loaded when they are called.
- ``surfaces``: who talks to us (HTTP endpoints, commands).
- ``pipeline``: what happens to an intent, in order. Read ``pipeline/run.py`` first.
- ``capabilities``: what we can do (keys, findings, redaction, policy, records ...).
- ``infrastructure``: what we stand on, all I/O; one border file per third-party library that matters.
- ``settings``, ``errors``, ``domain``: the vocabulary that all layers share.
"""
