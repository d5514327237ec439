"""The door: what runs at an entrance, on a small CPU, without torch."""
