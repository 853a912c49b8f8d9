"""As c/work.c, with Python's standard library: work.py FOLDER [ARGUMENT...]; work.py trap"""

import functools
import math
import os
import secrets
import sys
import time
from pathlib import Path


def yes(is_so):
    return "yes" if is_so else "no"


def clocks():
    begin = time.monotonic()
    time.sleep(0.005)
    past = yes(time.time() > 1577836800)
    print(f"clocks: past 2020 {past}, slept {yes(time.monotonic() - begin >= 0.005)}")


def sorting():
    numbers, state = [], 1
    for _ in range(10_000):
        state = (state * 1664525 + 1013904223) % 2**32
        numbers.append(state)
    numbers.sort()
    digest = functools.reduce(lambda sum, number: (sum ^ number) * 16777619 % 2**32, numbers, 2166136261)
    print(f"sorted: {numbers[0]} {numbers[len(numbers) // 2]} {numbers[-1]} {digest:08x}")


def floats():
    total = 0.0
    for i in range(1, 10_001):
        total += math.sqrt(i) / (i * i)
    print(f"floats: {total:.12f} {math.sin(1) * math.exp(1):.6f}")


def files(folder):
    (folder / "c").mkdir()
    (folder / "b.txt").write_text("first line\n")
    with (folder / "b.txt").open("a") as file:
        file.write("second line\n")
    (folder / "c/old.txt").write_text("0123456789")
    (folder / "c/old.txt").rename(folder / "a.txt")
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in folder.iterdir())
    print("folder:", *names)
    with (folder / "a.txt").open("rb") as file:
        file.seek(3)
        text = file.read(4).decode()
    missing = not (folder / "missing").exists()
    print(f"files: {(folder / 'b.txt').stat().st_size} bytes, reads {text}, missing {yes(missing)}")
    (folder / "c").rmdir()
    (folder / "a.txt").unlink()


if sys.argv[1] == "trap":
    os.abort()
print("arguments:", *(f"[{argument}]" for argument in sys.argv[2:]))
print("GREETING:", os.environ.get("GREETING", ""))
clocks()
print("random: differs", yes(secrets.token_bytes() != secrets.token_bytes()))
sorting()
floats()
files(Path(sys.argv[1]))
sys.stdout.flush()
print("to standard error", file=sys.stderr)
sys.exit(3)
