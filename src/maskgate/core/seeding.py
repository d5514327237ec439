"""Seeds derived from the place where they are used, so that a resumed run draws the same."""

import hashlib


def derive(*parts: int | str) -> int:
    """A 63-bit seed from a recipe's seed and a place such as (fold, epoch, draw)."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1
