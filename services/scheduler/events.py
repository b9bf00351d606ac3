from shared.broker import Handlers

handlers = Handlers("scheduler")
"""The scheduler hears nobody: time comes from the clock."""
