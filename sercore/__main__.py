"""`python -m sercore` is the command line `sercore`."""

from sercore.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
