"""Redaction: what is found in a request or an answer is shown only to the destinations that policy grants it to.

- ``scanning``: what is needed of a scanner.
- ``placeholders``: reversible placeholders and the vault of one intent.
- ``pieces``: a text cut into what was found in it and the rest, whole or as it streams; ``json_pieces`` does so leaf by leaf in a JSON text.
- ``views``: what one destination may see; renders pieces for it.
- ``shapes``: where ids, texts, JSON texts and media stand in a chat request and answer. ``leaves`` walks a value by them, ``rebuilding`` puts it
  together again as a destination may see it, ``places`` names where a finding stands.
- ``history``: what is known of the messages of a conversation that is sent again, so that they are not taken apart again.
- ``redactor``: one per tenant, which ``tenants`` makes. ``request``: the inspection of one request, from which everything else of the intent starts.
- ``answer``: a complete answer. ``stream``: a streamed one, chunk by chunk, with ``stream_choice``, ``stream_calls`` and ``stream_fields`` below it.
- ``transcript``: the form in which what a caller got and what the record keeps are compared.
"""
