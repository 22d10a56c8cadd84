"""Records: what happened to every intent, appended to hash chains, signed, provable. ``docs/records.md`` is the format.

- ``entries``: what is recorded; ``chain``: how entries become rows of a chain; ``signing``: the key; ``heads``: signed chain heads outside the database.
- ``writer``: the serving process's group commit, in ``batch``es; ``journal``: the transaction of one; ``recovery``: what a crash left open.
- ``courses``: which entries an intent can have; ``holds``: how it waited for people.
- ``store``: list and show, the projection of an intent's entries; ``timeline``: drawn as text.
- ``explanation``: the whole of an intent in one object; ``decision_inputs``: what was decided about, to decide again.
- ``verify``: every problem of a tenant's chains; ``export``: the same offline; ``erase``: retention and erasure.
"""
