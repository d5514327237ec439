"""Random numbers as a function of where they are used: a resumed run draws the same."""

import hashlib


def derive(*parts: int | str) -> int:
    """A 63-bit seed from a recipe's seed and a place such as (fold, epoch, draw)."""
    told = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "big") >> 1
