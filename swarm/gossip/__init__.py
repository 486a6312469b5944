"""Gossip: what each peer lacks, and how two tries are compared. Pure."""
