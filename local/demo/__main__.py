"""`make demo`: shown at a running `make dev`, else in a house of its own."""

import signal
import sys


def main() -> int:
    # Until the demonstration listens to signals itself, Ctrl-C ends it without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from local.demo import show

    return show.main()


if __name__ == "__main__":
    sys.exit(main())
