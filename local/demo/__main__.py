"""`make demo`: shown at a running `make dev`, else in a house of its own."""

import signal
import sys

from local.settings import read_settings


def main() -> int:
    # Until the demonstration listens to signals itself, Ctrl-C ends it without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    settings = read_settings()
    from local.demo import show  # everything there is, which takes a second or two

    return show.main(settings)


if __name__ == "__main__":
    sys.exit(main())
