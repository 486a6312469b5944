"""The relay: passes on what devices say to each other when neither reaches the other, and reads none of it."""
