"""`killed.py PLACE AT WORDS…`: `maskgate WORDS…`, killed as PLACE is called for the AT-th time.

PLACE is `package.module:function` or `package.module:Class.method`. What writes bytes to a file has
written half of them by then.
"""

import importlib
import itertools
import os
import signal
import sys
from typing import Any


def main() -> None:
    place, at, *words = sys.argv[1:]
    module, _, path = place.partition(":")
    *above, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in above:
        owner = getattr(owner, part)
    function, calls = getattr(owner, name), itertools.count(1)

    def killed(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == int(at):
            if name == "write_bytes":
                function(args[0], args[1][: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    setattr(owner, name, killed)
    from maskgate import cli

    sys.argv = ["maskgate", *words]
    cli.main()


if __name__ == "__main__":
    main()
