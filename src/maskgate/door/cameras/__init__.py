"""Cameras: where frames come from, and what is wrong with them."""
