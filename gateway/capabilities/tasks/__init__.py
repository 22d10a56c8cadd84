"""What people decide: tasks, and how they move.

- ``store``: tasks in the database, lists of them, and every move as an effect of the record writer's transaction.
- ``claims``: who works on a task. ``cursors``: places in a list, as callers hold them.
- ``facts``: a task as the API, the commands and webhooks show it.
- ``announcing``: tells webhooks of new tasks.
"""
