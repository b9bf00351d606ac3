"""What coaches does. One function is one change, made in the caller's transaction.

Locks are taken in this order: the user (`users.lock`), then a game.
"""
