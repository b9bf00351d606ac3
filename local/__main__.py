"""`python -m local`: everything on this machine until Ctrl-C; or `reset`."""

import signal
import sys

from local.settings import read_settings


def main() -> int:
    # Until the house listens to signals itself, Ctrl-C ends this without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    settings = read_settings()
    from local import launch  # everything there is, which takes a second or two

    return launch.main(settings, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
