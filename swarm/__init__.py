"""Swarm: one key, and your folder is on all your machines."""

__version__ = "0.1.0"
