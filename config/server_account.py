"""The system user that runs the servers when this process is root, which PostgreSQL refuses to run as."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.exceptions import OWN_SERVERS, EmbeddedServerError

SYSTEM_USER = "pgserver"


@dataclass(frozen=True)
class Account:
    """A user and a group of this system."""

    uid: int
    gid: int

    def popen_options(self) -> dict[str, Any]:
        """What makes `subprocess` run a command as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_run(self, program: Path, directory: Path) -> bool:
        """Whether this user can start a program and enter a folder."""
        # The shell changes the folder: subprocess would do so before it changes the user.
        script = 'cd "$1" && exec "$2" --version'
        command = ["/bin/sh", "-c", script, "sh", str(directory), str(program)]
        done = subprocess.run(command, check=False, capture_output=True, cwd="/", **self.popen_options())
        return done.returncode == 0

    def let_into(self, directory: Path) -> None:
        """Makes a folder reachable: everybody may pass through the folders above it, but not list them."""
        for parent in directory.parents:
            status = parent.stat()
            if not status.st_mode & stat.S_IXOTH and status.st_uid != self.uid:
                parent.chmod(status.st_mode | stat.S_IXOTH)

    def let_read(self, directory: Path) -> None:
        """Makes a folder and all in it readable, as pip does unless a strict umask keeps it from that."""
        self.let_into(directory)
        for path in (directory, *directory.rglob("*")):
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if path.is_dir() or mode & stat.S_IXUSR else 0o044))


def server_account(data: Path) -> Account | None:
    """The user to run the servers as if this is root: the owner of the data, or `pgserver`; otherwise None.

    Raises EmbeddedServerError where the user is missing and cannot be made.
    """
    if os.geteuid() != 0:
        return None
    cluster = data / "postgres"
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        entry = _create_system_user()
    return Account(entry.pw_uid, entry.pw_gid)


def _create_system_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/sh", SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError, KeyError) as exc:
        raise EmbeddedServerError(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER!r} could not be created"
            f" ({exc}). Run this as an ordinary user, or {OWN_SERVERS}."
        ) from exc
