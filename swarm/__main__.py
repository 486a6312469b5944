"""`swarm`, and `python -m swarm`."""

import sys


def main() -> int:
    """Runs one command, with the process's arguments. Returns the exit code."""
    try:
        from swarm import interrupt

        return interrupt.run("swarm.cli.main")
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
