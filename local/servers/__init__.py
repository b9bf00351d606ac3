"""The marketplace on real servers: one process for each service, as in production.

`Servers` starts them, and tests kill them. What they lack compared with production is
only their clock, which all of them share and anybody may move.
"""

from local.servers.fleet import Servers
from local.servers.home import home_in
from local.servers.settings import ServersSettings

__all__ = ["Servers", "ServersSettings", "home_in"]
