"""The node: wires every room together."""
