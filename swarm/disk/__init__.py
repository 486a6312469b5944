"""Disk: SQLite, safe file access, scanning, watching, installing."""
