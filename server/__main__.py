"""``python -m server``: the ``longhand`` command. It must not do anything when imported."""

import sys

from server.cli import main

if __name__ == "__main__":
    sys.exit(main())
