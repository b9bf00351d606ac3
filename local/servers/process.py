"""One service of the fleet: `python -m local.servers.process <name>`.

All is as in production but for the clock, which the processes share, and for one route
that says whether there is work left.
"""

import gc
import importlib
import sys

from local.clock import MovableClock
from local.servers.backlog import Deliveries, add_report
from local.settings import LocalSettings
from shared import service
from shared.broker import make_broker


def main(name: str) -> None:
    """Serve until a signal says to stop."""
    gc.disable()  # there is no garbage yet, and looking for it is a fifth of a start
    module = importlib.import_module(f"services.{name}.app")
    events = importlib.import_module(f"services.{name}.events")
    gc.freeze()
    gc.enable()
    settings = getattr(module, f"{name.title()}Settings")()
    deliveries = Deliveries()
    # Added first it is outermost: a retry is published within it.
    broker = make_broker(settings.amqp_url.get_secret_value())
    broker.add_middleware(deliveries)
    clock = MovableClock(LocalSettings().data / "clock")
    app = module.create_app(settings, broker=broker, clock=clock)
    add_report(app, deliveries)
    service.main(
        f"services.{name}", settings, events.handlers, lambda: app, ["", "serve"]
    )


if __name__ == "__main__":
    main(sys.argv[1])
