"""`python -m rewards.training`: `longhand train-reward` without the server; no logic here."""

import sys

from rewards.training.command import main

sys.exit(main(sys.argv[1:]))
