"""Runs a command that ends when its parent does: `python tethered.py PARENT_PID COMMAND...`.

A parent that is killed cannot stop its children. On Linux the kernel does it for them; elsewhere they stay.
A program of its own, because code between fork and exec is not safe in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):
            sys.exit("The parent has ended before its child began.")
    os.execv(command[0], command)  # noqa: S606 - the supervisor's own command line, no shell


if __name__ == "__main__":
    main()
