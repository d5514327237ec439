"""Watching: cameras → verdicts → events."""
