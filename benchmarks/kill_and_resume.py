"""Kills a training at random moments, resumes it, and compares the bytes of its files.

    python benchmarks/kill_and_resume.py RECIPE DATA [key.sub=value …] [--kills 5] [--cache DIR]

Trains once without interruption; then again, killed with SIGKILL after random parts of that time
and resumed by the same command. Prints each moment, both durations, and whether the weights,
`oof.parquet` and `history.csv` are equal to the byte.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("data")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--cache", help="folder of decoded photos")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    random.seed(arguments.seed)

    with tempfile.TemporaryDirectory() as folder:
        undisturbed, killed = Path(folder, "whole"), Path(folder, "killed")
        command = [sys.executable, "-m", "maskgate", "train", arguments.recipe, arguments.data]
        command += [*arguments.overrides, "--checkpoint-seconds", "5"]
        command += ["--cache", arguments.cache] if arguments.cache else []

        since = time.monotonic()
        subprocess.run([*command, "--out", str(undisturbed)], check=True, stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - since
        print(f"undisturbed: {seconds:.0f} s")

        since, kills = time.monotonic(), 0
        while kills < arguments.kills:
            wait = random.uniform(0.5, 1.5) * seconds / (arguments.kills + 1)
            process = subprocess.Popen([*command, "--out", str(killed)], stderr=subprocess.DEVNULL)
            try:
                process.wait(timeout=wait)
                break  # it was done before
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
                print(f"killed after {wait:.0f} s")
        subprocess.run([*command, "--out", str(killed)], check=True, stderr=subprocess.DEVNULL)
        print(f"killed {kills} times: {time.monotonic() - since:.0f} s")

        names = ["oof.parquet", "history.csv"]
        names += [
            str(p.relative_to(undisturbed)) for p in sorted(undisturbed.rglob("*.safetensors"))
        ]
        for name in names:
            equal = (undisturbed / name).read_bytes() == (killed / name).read_bytes()
            print(f"{name}: {'equal' if equal else 'DIFFERENT'}")


if __name__ == "__main__":
    main()
