"""Network: one UDP socket, QUIC, lanes."""
