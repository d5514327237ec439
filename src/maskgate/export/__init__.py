"""From a finished run to a bundle for the door; needs torch, which the bundle does not."""
