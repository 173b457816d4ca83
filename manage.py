#!/usr/bin/env python
"""Django's command line, with PostgreSQL and Valkey running for the commands that need them."""

import os
import signal
import sys
from types import FrameType

from config import embedded

# Commands that touch neither the database nor the queue.
SERVERLESS = {
    "help",
    "version",
    "makemessages",
    "compilemessages",
    "startapp",
    "startproject",
    "diffsettings",
}
SERVERLESS |= {"collectstatic", "findstatic"}


def needs_servers(arguments: list[str]) -> bool:
    """Whether the command line, without the program's name, is of a command that uses the servers."""
    wants_help = {"-h", "--help", "--version"} & set(arguments)
    return bool(arguments) and arguments[0] not in SERVERLESS and not wants_help


def exit_orderly(number: int, frame: FrameType | None) -> None:
    """Ends the command such that exit handlers run, which stop the servers that it started."""
    sys.exit(128 + number)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, exit_orderly)
    try:
        if needs_servers(sys.argv[1:]):
            embedded.start()
        from django.core.management import (
            execute_from_command_line,
        )  # reads the environment, so it comes last

        execute_from_command_line(sys.argv)
    except embedded.EmbeddedServerError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
