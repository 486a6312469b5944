"""`relay`, and `python -m relay`."""

import sys


def main() -> int:
    """Runs a relay, with the process's arguments. Returns the exit code."""
    try:
        from swarm import interrupt

        return interrupt.run("relay.main")
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
