"""A run's settings, curves, scores and report, sent to experiment trackers.

A tracker that is down never stops a training: see `session`.
"""
