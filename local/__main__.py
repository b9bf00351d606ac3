"""`python -m local`: everything on this machine until Ctrl-C; or `reset`."""

import signal
import sys


def main() -> int:
    # Until the house listens to signals itself, Ctrl-C ends this without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from local import launch

    return launch.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
