"""Runs a command until it ends, or until whoever started this script does, however that happens.

A process that is killed cannot stop its children; the pipe to this script's stdin closes all the same.
"""

from __future__ import annotations

import subprocess
import sys
import threading

GRACE_SECONDS = 10


def main(command: list[str]) -> int:
    """The command's exit code."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_parent, args=(process,), daemon=True).start()
    return process.wait()


def _end_with_parent(process: subprocess.Popen[bytes]) -> None:
    sys.stdin.buffer.read()
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
