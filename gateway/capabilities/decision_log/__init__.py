"""The decision log in OPA's format, derived from the records: whoever collects OPA's logs collects the gateway's.

- ``events``: from the entries of a record to events. ``masking``: what ``data.system.log.mask`` of the live policy takes out of them.
- ``follower``: reads the ledger from where it stopped, hands events over in batches, and goes on when the receiver is back.
- ``delivery``: to a file or a server.
"""
