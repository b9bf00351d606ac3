"""Takes the mails of a laptop or a test run, delivers none, and shows them.

`store = Store(path)`, `sink = await start_smtp(host, port, store)` and
`create_app(store)` are the three parts; `python -m local.mailbox` runs them together.
"""

from local.mailbox.app import create_app
from local.mailbox.smtp import Sink, start_smtp
from local.mailbox.store import Store

__all__ = ["Sink", "Store", "create_app", "start_smtp"]
