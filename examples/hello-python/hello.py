"""Greets, shows its arguments, and exits with 0."""

import os
import platform
import sys

print(f"Hello, {os.environ['GREET']}! I am Python {platform.python_version()} on {sys.platform}.")
for index, argument in enumerate(sys.argv[1:], 1):
    print(f"argument {index}: {argument}")
