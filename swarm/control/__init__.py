"""Control: the local HTTP API of the daemon."""
