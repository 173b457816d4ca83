"""The embedded servers: who starts them, who stops them, and what they survive. All with real processes."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from config import embedded
from config.exceptions import EmbeddedServerError
from config.local_servers import PostgreSQL
from config.server_account import server_account
from tests.config.conftest import User, copied, processes_of, running_pids, servers_of


def assert_usable(urls: list[str]) -> None:
    with psycopg.connect(urls[0]) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("nearshelf",)
    with redis.from_url(urls[1]) as client:
        assert client.ping()


def wait_until_gone(process: psutil.Process) -> None:
    deadline = time.monotonic() + 10
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_last_user_stops_the_servers(data: Path) -> None:
    first, second = User(data), User(data)
    assert first.urls == second.urls
    pids = running_pids(data)
    first.leaves()
    assert running_pids(data) == pids
    assert_usable(second.urls)
    second.leaves()
    assert processes_of(data) == []


def test_after_a_killed_user_the_next_one_finds_the_servers_and_stops_them(data: Path) -> None:
    killed = User(data)
    pids = running_pids(data)
    killed.is_killed()
    assert running_pids(data) == pids
    finder = User(data)
    assert running_pids(data) == pids
    finder.leaves()
    assert processes_of(data) == []


def test_data_is_kept_and_found_within_three_seconds(data: Path) -> None:
    before = User(data)
    with psycopg.connect(before.urls[0]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    before.leaves()
    began = time.monotonic()
    after = User(data)
    assert time.monotonic() - began < 3
    with psycopg.connect(after.urls[0]) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    after.leaves()


@pytest.mark.parametrize("name", ["Two Words", 'per%cent & "quote\'s"', "comma, separated", "long-" * 20])
def test_any_path_will_do(folder: Path, used_data: Path, name: str) -> None:
    data = copied(used_data, folder / name / "var")
    user = User(data)
    assert_usable(user.urls)
    user.leaves()
    assert processes_of(data) == []


def test_two_data_folders_do_not_meet(folder: Path, used_data: Path) -> None:
    for name in ("left", "right"):
        copied(used_data, folder / name)
    left, right = User(folder / "left"), User(folder / "right")
    assert left.urls != right.urls
    left.leaves()
    assert_usable(right.urls)
    right.leaves()


def test_nobody_can_connect_over_the_network_or_enter_the_socket_folder(data: Path) -> None:
    user = User(data)
    assert all(process.net_connections("inet") == [] for process in processes_of(data))
    assert all(server.sockets.stat().st_mode & 0o077 == 0 for server in servers_of(data))
    user.leaves()


def test_full_text_search_knows_letters_beyond_ascii(data: Path) -> None:
    user = User(data)
    with psycopg.connect(user.urls[0]) as connection:
        row = connection.execute("SELECT to_tsvector('simple', 'ÉCRAN 5—6')::text").fetchone()
    assert row == ("'5':2 '6':3 'écran':1",)
    user.leaves()


def test_a_stale_pid_file_that_names_another_program_is_no_obstacle(data: Path) -> None:
    account = server_account(data)
    options = account.popen_options() if account else {}
    bystander = subprocess.Popen(["sleep", "60"], **options)
    for lock in (data / "postgres/postmaster.pid", data / "run/.s.PGSQL.5432.lock"):
        lock.write_text(f"{bystander.pid}\n{data}/postgres\n1\n5432\n{data}/run\n\n  0  0\nready\n")
        if account:
            os.chown(lock, account.uid, account.gid)
    (data / "valkey/valkey.pid").write_text(str(bystander.pid))
    user = User(data)
    assert_usable(user.urls)
    user.leaves()
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_killed_servers_are_started_again_even_with_a_busy_backend_left(data: Path) -> None:
    user = User(data)
    with closing(psycopg.connect(user.urls[0], autocommit=True)) as connection:
        # A backend in a computation does not notice that its postmaster is gone.
        busy = "SELECT count(*) FROM generate_series(1, 1000000000) AS a WHERE a % 7 = 8"
        connection.pgconn.send_query(busy.encode())
        backend = psutil.Process(connection.info.backend_pid)
        killed = [psutil.Process(pid) for pid in running_pids(data)]
        for process in killed:
            process.kill()
        for process in killed:
            wait_until_gone(process)
        assert backend.is_running()
        user.does("assert embedded.recover() == ['PostgreSQL had died', 'Valkey had died']")
        wait_until_gone(backend)
    assert_usable(user.urls)
    user.does("assert embedded.recover() == []")
    user.leaves()
    assert processes_of(data) == []


def test_the_next_user_recovers_from_killed_servers(data: Path) -> None:
    first = User(data)
    for pid in running_pids(data):
        os.kill(pid, signal.SIGKILL)
    first.is_killed()
    second = User(data)
    assert_usable(second.urls)
    second.leaves()


def test_a_server_whose_socket_was_deleted_is_replaced(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.local_server.LOST_SOCKET_TIMEOUT", 0.2)
    killed = User(data)
    killed.is_killed()
    for server in servers_of(data):
        (server.sockets / server.socket_name).unlink()
        server.ensure()
        assert server.answers()
        server.stop()


def test_servers_that_lost_their_sockets_are_started_again_with_their_data(data: Path) -> None:
    user = User(data)
    with psycopg.connect(user.urls[0]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    pids = running_pids(data)
    shutil.rmtree(servers_of(data)[0].sockets)
    user.does("assert embedded.recover() == ['PostgreSQL had lost its socket', 'Valkey had lost its socket']")
    assert not set(running_pids(data)) & set(pids)
    with psycopg.connect(user.urls[0]) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    user.does("assert embedded.recover() == []")
    user.leaves()
    assert processes_of(data) == []


def test_a_data_folder_deleted_under_its_users_is_told_and_nothing_is_made_in_its_place(data: Path) -> None:
    user = User(data)
    while data.exists():  # PostgreSQL may add a file meanwhile
        shutil.rmtree(data, ignore_errors=True)
    told = "was deleted while PostgreSQL was running"
    user.does(f"import pytest; pytest.raises(embedded.EmbeddedServerError, embedded.recover).match({told!r})")
    assert not data.exists()
    user.leaves()


def test_a_forked_child_that_exits_stops_nothing(data: Path) -> None:
    user = User(data)
    pids = running_pids(data)
    user.does("pid = os.fork(); pid or sys.exit(); os.waitpid(pid, 0)")
    assert running_pids(data) == pids
    user.leaves()


def test_an_initialisation_cut_short_is_begun_again(folder: Path) -> None:
    (folder / "postgres.new" / "base").mkdir(parents=True)
    (folder / "postgres.new" / "PG_VERSION").write_text("18\n")
    user = User(folder)
    assert_usable(user.urls)
    user.leaves()


def test_servers_of_the_operator_are_left_to_him(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARSHELF_DATA", str(folder / "unused"))
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/shop")
    monkeypatch.setenv("REDIS_URL", "redis://queue.example/0")
    embedded.start()
    assert not (folder / "unused").exists()
    assert os.environ["DATABASE_URL"] == "postgresql://db.example/shop"


def test_data_of_another_postgresql_is_refused_with_a_way_out(folder: Path) -> None:
    server = PostgreSQL(folder, server_account(folder))
    server.directory.mkdir()
    (server.directory / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 16.*NEARSHELF_DATA to another folder"):
        server.ensure()


def test_a_data_folder_that_cannot_be_made_is_refused_with_a_way_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").touch()
    monkeypatch.setenv("NEARSHELF_DATA", str(folder / "file" / "var"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(EmbeddedServerError, match=r"cannot be used \(Not a directory\)\. Set NEARSHELF_DATA"):
        embedded.start()


def test_a_start_that_fails_says_why_and_leaves_nothing_behind(data: Path) -> None:
    (data / "postgres" / "postgresql.conf").write_text("shared_buffers = nonsense\n")
    with pytest.raises(
        EmbeddedServerError, match=r"PostgreSQL stopped while it started.*\n(.*\n)*.*nonsense"
    ):
        PostgreSQL(data, server_account(data)).ensure()
    assert processes_of(data) == []


def test_a_socket_folder_that_someone_else_prepared_is_refused(folder: Path) -> None:
    data = folder / ("long-" * 20)
    data.mkdir()
    server = PostgreSQL(data, server_account(data))
    server.sockets.symlink_to(folder)
    with pytest.raises(EmbeddedServerError, match="belongs to another user"):
        server.ensure()
    server.sockets.unlink()
