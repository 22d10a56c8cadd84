"""Which target is called next, why, and when to stop. No network, no sleeping, no clock of its own here: the pipeline does what these say.

- ``selecting``: the order in which a request's targets come, and what stands against each. ``course``: the walk along that order, with one budget of
  attempts and one deadline. ``reactions``: what follows from an error. ``breakers``: targets that fail are left alone for a while.
"""
