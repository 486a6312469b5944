"""Sync: the planner, the fetcher and the folder engine. Pure; the engine's mind."""
