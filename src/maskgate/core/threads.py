"""Sets how torch's threads wait for each other; call it before torch is imported."""

import os


def limit_spinning() -> None:
    """Let a waiting thread release its core after microseconds.

    By default GNU OpenMP, which torch uses on Linux, lets a waiting thread spin for milliseconds.
    If another process needs a core, the thread it waits for gets none, and training takes several
    times as long. A value set by the user is kept.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
