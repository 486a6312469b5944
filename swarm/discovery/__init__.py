"""Discovery: finding members without being told where they are."""
