"""Session: the handshake and the conversation with one peer. Pure."""
