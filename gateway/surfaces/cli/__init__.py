"""The commands of ``gateway``, one module each.

Every module exposes ``command``; ``gateway.__main__`` imports only the one that is run. ``config_file`` has what commands share about the config.
``policy`` is a group: each of its commands is a module ``policy_NAME`` and one line there; ``policy_folder`` has what they share. ``opa_words``
is an OPA server in words.
``tasks`` asks a running gateway; ``task_words`` draws what it answers.
A bad input prints one clear line for each problem and exits 2; a check that found something wrong exits 1.
"""
