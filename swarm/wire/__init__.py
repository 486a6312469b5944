"""The wire: messages, their strict codec, framing. Pure."""
