#!/usr/bin/python3
"""Random clients against a real server with small limits, each of whose answers is checked against what it may be.

    tests/faults/protocol_fuzz.py                             a minute with a new seed, against $SLIPWAY_BIN
    tests/faults/protocol_fuzz.py --seconds 600 --seed 7      ten, with the choices of an earlier run

Clients push in every way there is, legal or not, read, list, mount and delete in a handful of repositories and caches,
break connections and come back. A seed fixes what each client wants to do; how the clients' requests fall between each
other is the machine's doing, so a failure need not come again at the same place. At the end the server has to be sound:
everything acknowledged is there, also after a restart, `slipway doctor --deep` finds nothing, memory and descriptors
are within their bounds, and no upload's file is left.

protocol_client.py has the operations, with protocol_blobs.py and protocol_manifests.py; protocol_model.py what is
expected; protocol_exchange.py what every answer has to be. test_protocol_fuzz.py is a short run for every build.
"""

import argparse
import collections
import json
import os
import random
import re
import sys
import tempfile
import threading
import time
import traceback
import typing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import protocol_model as model  # noqa: E402 (it needs the path above)
from protocol_client import Client  # noqa: E402
from protocol_exchange import Violation  # noqa: E402
from slipway_server import Server, eventually  # noqa: E402

RSS_GROWTH_MIB = int(os.environ.get("FUZZ_RSS_MIB", "96"))  # the server's own caches of names may grow as large
FILES_GROWTH = 32  # connections to the database are opened when they are first needed
WARM_UP = 3  # seconds until the server has what it needs anyway
CONFIG = """
[limits]
connections = {connections}
head_bytes = "16KiB"
header_count = 50
head_timeout = "5s"
body_buffer_bytes = "256KiB"
manifest_bytes = "{model.MANIFEST_MAX}"
blob_bytes = "{model.BLOB_MAX}"
uploads = {model.UPLOADS_MAX}
upload_expiry = "{model.UPLOAD_EXPIRY}s"
[cas]
bytes = "{model.CACHE_MAX}"
entry_bytes = "{model.ENTRY_MAX}"
[log]
level = "warn"
requests = false
"""


class World:
    """What the clients share: the server, the names of each other's blobs, what all of them change, the first failure.
    Safe to use from any thread."""

    def __init__(self, server, seed):
        self.server, self.seed = server, seed
        self.stop = threading.Event()
        self.failure = None  # its text
        self.several = threading.Lock()  # who wants several connections more: two who have one might wait for ever
        self.twins = {}
        self.shared_contents = [model.Content(b"shared by all: %d " % i * 3**i) for i in range(1, 7)]
        self.shared_manifests = []
        self._lock = threading.Lock()  # guards what follows, and the failure
        self._digests = collections.deque(maxlen=200)
        self._sessions = []  # (path, content) of all that were ever shared; the last few are in use
        for content in self.shared_contents:
            self.announce(content)
        blobs = [(content.digests[0], len(content.data)) for content in self.shared_contents]
        for number in range(4):
            self.shared_manifests.append(model.make_image(blobs[0], blobs[1:number + 1], note=str(number)))

    def prepare(self):
        """Settles which names are a registry's and which a cache's."""
        for repository in model.REPOSITORIES:
            self.server.push_blob(repository, self.shared_contents[0].data)
        for cache in model.CACHES:
            assert self.server.request("PUT", f"/cas/{cache}/first", body=b"first").status == 201

    def announce(self, content):
        self.twins.update([content.digests, content.digests[::-1]])
        with self._lock:
            self._digests.extend(content.digests)

    def some_digest(self, chooser):
        with self._lock:
            return chooser.choice(self._digests)

    def share_session(self, path, content):
        with self._lock:
            self._sessions.append((path, content))

    def shared_session(self, chooser):
        with self._lock:
            return chooser.choice(self._sessions[-4:]) if self._sessions else None

    def is_disk_full(self):
        space = os.statvfs(self.server.data)
        return space.f_bavail * space.f_frsize < 16 << 20

    def report(self, client, error):
        with self._lock:
            if not self.failure:
                told = "".join(traceback.format_exception(error))
                self.failure = f"{told}\nThe last requests of client {client.number}:\n  " + "\n  ".join(client.history)
        self.stop.set()

    def cancel_shared_sessions(self):
        for path, _ in self._sessions:
            status = self.server.request("DELETE", path).status
            if status not in (204, 404):
                raise Violation(f"a session cannot be cancelled: {status}")


class Figures(typing.NamedTuple):
    """How a run went."""
    seconds: float
    operations: collections.Counter
    statuses: collections.Counter
    rss_mib: tuple  # warm, largest, at the end
    files: tuple  # before and after

    def __str__(self):
        def counts(counter):
            return ", ".join(f"{name}: {count}" for name, count in sorted(counter.items(), key=str))
        return (f"{self.operations.total()} operations and {self.statuses.total()} answers in {self.seconds:.0f} s\n"
                f"operations: {counts(self.operations)}\nanswers: {counts(self.statuses)}\n"
                "RSS in MiB: warm {:.0f}, largest {:.0f}, at the end {:.0f}; ".format(*self.rss_mib)
                + "open files: {} before, {} after".format(*self.files))


def rss_mib(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def open_files(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


# --- A run

def run(server, seed, client_count, seconds):
    """Lets the clients loose on a server that was started with configuration(), and checks what they leave. Returns
    Figures; raises Violation."""
    world = World(server, seed)
    world.prepare()
    clients = [Client(world, number) for number in range(client_count)]
    try:
        return run_clients(server, world, clients, seconds)
    finally:
        for client in clients:
            client.close()


def run_clients(server, world, clients, seconds):
    files = open_files(server)
    threads = [threading.Thread(target=client.run, args=(world.stop,), daemon=True) for client in clients]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    rss = []
    while not world.stop.wait(0.5) and time.monotonic() - started < seconds:
        if server.process.poll() is not None:
            raise Violation(f"the server ended with {server.process.returncode}:\n{server.read_log()}")
        rss.append((time.monotonic() - started, rss_mib(server)))
    world.stop.set()
    for thread in threads:
        thread.join(180)
        if thread.is_alive():
            raise Violation(f"a client still waits; its last requests: {clients[threads.index(thread)].history}")
    elapsed = time.monotonic() - started
    if world.failure:
        raise Violation(f"{world.failure}\nseed {world.seed}")
    verify(server, world, clients)

    warm = next((value for at, value in rss if at >= WARM_UP), rss[-1][1])
    files_left = eventually(lambda: open_files(server) <= files + FILES_GROWTH and open_files(server),
                            f"at most {files + FILES_GROWTH} open files, of {files} before")
    figures = Figures(elapsed, sum((client.operations for client in clients), collections.Counter()),
                      sum((client.statuses for client in clients), collections.Counter()),
                      (warm, max(value for _, value in rss), rss_mib(server)), (files, files_left))
    if figures.rss_mib[2] > warm + RSS_GROWTH_MIB:
        raise Violation(f"memory grew by more than {RSS_GROWTH_MIB} MiB: {figures}")
    server.stop()
    server.start()
    verify(server, world, clients)
    return figures


def verify(server, world, clients):
    """What has to hold when nobody is at work."""
    client = None
    try:
        for client in clients:
            client.verify()
            client.end()
    except Exception as error:  # with what the client did last
        world.report(client, error)
        raise Violation(f"{world.failure}\nseed {world.seed}") from None
    world.cancel_shared_sessions()
    if open_uploads := server.status()["uploads"]:
        raise Violation(f"{open_uploads} upload sessions that nobody began")
    uploads = server.data / "store" / "uploads"
    if left := [(path.name, path.stat().st_size) for path in uploads.iterdir()]:
        raise Violation(f"files of no session: {left}")
    doctor = server.slipway("doctor", "--deep", "--json")
    shown = json.loads(doctor.stdout)
    if doctor.returncode or not shown["healthy"]:
        raise Violation(f"the doctor says: {doctor.stdout}")
    contents = next(check["message"] for check in shown["checks"] if check["name"] == "store contents")
    if "; 0 files" not in contents:
        raise Violation(f"the doctor says: {contents}")
    if (answer := server.request("GET", "/readyz")).status != 200:
        raise Violation(f"not ready: {answer}")


def configuration(client_count):
    """Limits that are met: clients use up to three connections each, and mostly one."""
    return CONFIG.format(connections=client_count + client_count // 8 + 2, model=model)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32), help="(a new one)")
    parser.add_argument("--clients", type=int, default=8, help="how many at once (%(default)s)")
    parser.add_argument("--scratch", help="where the server keeps its data (a directory in TMPDIR)")
    return parser.parse_args()


def main():
    args = arguments()
    print(f"seed {args.seed}, {args.clients} clients, {args.seconds:.0f} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="slipway-fuzz-", dir=args.scratch) as scratch:
        server = Server(scratch, configuration(args.clients))
        try:
            with server:
                print(run(server, args.seed, args.clients, args.seconds))
        except Violation as violation:
            sys.exit(f"{violation}\nThe server's log ends with:\n" + "\n".join(server.read_log().splitlines()[-25:]))


if __name__ == "__main__":
    main()
