"""A PostgreSQL server of its own on loopback, its files in memory where possible: a real database for tests.

As a command: `postgres_server.py COMMAND…` runs the command with SLIPWAY_TEST_POSTGRES, the URL of a database, in its
environment, and ends with its status. A server that ends meanwhile is started again: a test that wants to see that kills
it. The role `guarded` needs its password, "secret word".
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ACCESS = """
host replication all 127.0.0.1/32 trust
host all guarded 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
local all all trust
"""
STATEMENTS = ("CREATE ROLE guarded LOGIN PASSWORD 'secret word'",
              "CREATE DATABASE slipway TEMPLATE template0 ENCODING 'UTF8'",
              "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")


def programs():
    """The folder of the newest PostgreSQL's programs, or None: Debian keeps them off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    anywhere = shutil.which("postgres")
    return Path(anywhere).resolve().parent if anywhere else None


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def memory():
    """A folder in memory, if there is one with some room."""
    folder = "/dev/shm"
    return folder if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 1 << 30 else None


class PostgresServer:
    """Started by its construction; stopped by close(). With `keep` it flushes, as one has to that may lose its power;
    `wal` is a folder to be made for its write-ahead log, `settings` are further ones. With `standby_of` another it begins as a copy of that
    and follows it, until promote().
    """

    def __init__(self, keep=False, wal=None, settings=None, standby_of=None):
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=None if keep else memory()))
        self.port = free_port()
        self._settings, self._is_stopped = settings or {}, threading.Event()
        self.url = f"postgresql://slipway@127.0.0.1:{self.port}/slipway"
        self._bin = programs()
        self._keep, self._wal = keep, wal
        # It refuses to run as root.
        self._user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        self._process, self._keeper, self._closing = None, None, False
        try:
            if standby_of:
                self._copy(standby_of)
            else:
                self._make()
            self._start()
            for statement in () if standby_of else STATEMENTS:
                self.run(statement)
            self._keeper = threading.Thread(target=self._keep_running)
            self._keeper.start()
        except BaseException:
            self.close()
            raise

    def _own(self):
        if self._user:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)

    def _make(self):
        self._own()
        done = subprocess.run([self._bin / "initdb", "--no-sync", "-D", self.folder / "data", "-U", "slipway", "-A",
                               "trust", "-E", "UTF8", "--locale=C.UTF-8", *(["-X", self._wal] if self._wal else [])], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, cwd=self.folder, check=False, **self._user)
        if done.returncode != 0:
            raise RuntimeError(f"initdb: {done.stderr or done.stdout}")
        (self.folder / "data/pg_hba.conf").write_text(ACCESS, encoding="utf-8")

    def _copy(self, other):
        """-R: it finds the other by itself, and is a standby."""
        self._own()
        self._run("pg_basebackup", "-D", self.folder / "data", "-h", "127.0.0.1", "-p", str(other.port), "-U", "slipway",
                  "-R", "-c", "fast", "--no-sync")

    def promote(self):
        self._run("pg_ctl", "promote", "-w", "-D", self.folder / "data")

    def _run(self, program, *arguments):
        done = subprocess.run([self._bin / program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              cwd=self.folder, check=False, **self._user)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr or done.stdout}")

    def _start(self):
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder,
                    "max_connections": 60, "fsync": "on" if self._keep else "off", "shared_buffers": "32MB",
                    **self._settings}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen([self._bin / "postgres", "-D", self.folder / "data", *options],
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                             start_new_session=True, **self._user)
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"postgres does not start:\n{(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.05)

    def _answers(self):
        return subprocess.run([self._bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
                              check=False).returncode == 0

    def send(self, number):
        """SIGINT ends it as a restart does, SIGQUIT as a crash; it is started again."""
        self._process.send_signal(number)

    def send_all(self, number):
        """Its sessions and helpers too, as all of a machine that stands still."""
        os.kill(self._process.pid, number)
        found = subprocess.run(["ps", "--ppid", str(self._process.pid), "-o", "pid="], capture_output=True, text=True,
                               check=False)
        for pid in found.stdout.split():
            try:
                os.kill(int(pid), number)
            except ProcessLookupError:
                pass

    def stop(self, number=signal.SIGINT):
        """It stays ended until start()."""
        self._is_stopped.set()
        self.send(number)
        self._process.wait()

    def start(self):
        self._start()
        self._is_stopped.clear()

    def log(self):
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def run(self, statement):
        done = subprocess.run([self._bin / "psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", str(self.port), "-U",
                               "slipway", "-d", "postgres", "-c", statement], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{statement}: {done.stderr}")
        return done.stdout

    def make_database(self, name):
        self.run(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")

    def _keep_running(self):
        while True:
            self._process.wait()
            if self._closing:
                return
            if self._is_stopped.is_set():
                time.sleep(0.05)
                continue
            try:
                self._start()
            except RuntimeError:  # its disk is full, perhaps; it may start later
                time.sleep(0.5)

    def close(self):
        self._closing = True
        if self._process:
            self._process.send_signal(signal.SIGINT)  # it ends its sessions, then itself
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._keeper:
            self._keeper.join()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def main(command):
    if not programs():
        print("PostgreSQL is not installed (./dev installs it)", file=sys.stderr)
        return 1 if os.environ.get("CI") else 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started ends too
    with PostgresServer() as server:
        environment = dict(os.environ, SLIPWAY_TEST_POSTGRES=server.url)
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
