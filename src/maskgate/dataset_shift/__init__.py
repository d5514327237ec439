"""Where two sets of photos differ, and whether photos or people are in both.

A model that is trained on one set may fail on another if they differ; one that is validated on
photos that it has seen looks better than it is.
"""
