"""Content: chunks and manifests. Pure."""
