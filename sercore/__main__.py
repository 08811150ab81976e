"""`python -m sercore` is the command line `sercore`."""

import sys

from sercore.cli import main

if __name__ == "__main__":
    sys.exit(main())
