"""The program `nfbmr`, as `python -m nfbmr` and as the command of the wheel."""

import signal
import sys

from ._nfbmr import program


def main() -> int:
    # The program watches for Ctrl-C by itself, and Python would raise once more when it is over.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return program(["nfbmr", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
