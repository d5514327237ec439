"""How torch's threads wait for each other. To be told before torch is loaded: it asks once."""

import os


def limit_spinning() -> None:
    """Let a thread that waits for another give up its core after microseconds.

    GNU OpenMP, which torch's threads are made of on Linux, keeps such a thread busy for
    milliseconds. Where anything else wants a core, the thread waited for then gets none, and
    training takes several times as long. A value that the user has set stays.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
