#!/usr/bin/python3
"""The proof by kill -9: clients change everything at once, the server is killed at any moment and started again, and
whatever was acknowledged has to be there, whatever was not has happened wholly or not at all.

    tests/faults/crash.py                           50 rounds with a new seed, against $SLIPWAY_BIN
    tests/faults/crash.py --rounds 500 --seed 7     more, with the choices of an earlier run

All rounds share one data directory. A round kills under load (from 1 ms to 1 s after its start), or while the server
starts with clients already at its door, and then, now and again, once more or twice while it starts after that. A seed
fixes what each client wants to do and when the kills come; how requests fall between each other is the machine's doing.

crash_client.py has the operations, with crash_blobs.py; crash_exchange.py how they are asked; crash_model.py what may
be afterwards; crash_check.py looks. test_crash.py is a short run for every build. A kill leaves the kernel's memory
alone, so this proves the order of what the server does, not that it flushes.
"""

import argparse
import collections
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import crash_check  # noqa: E402 (it needs the path above)
from crash_client import Client  # noqa: E402
from crash_exchange import CACHES, REPOSITORIES  # noqa: E402
from crash_model import Book, Violation  # noqa: E402
from slipway_server import Connection, Server, environment  # noqa: E402

CLIENTS = 8
START_MAX = 10  # seconds
DOCTOR_EVERY = 10  # rounds; it costs more than the rest
CONFIG = '[server]\njournal_interval = "20ms"\n[log]\nlevel = "info"\nrequests = false\n'
SOCKET = "socket"  # known before the server is there, so that clients can wait at its door


class KilledServer(Server):
    """A server whose start is two steps, and whose log goes on over all of its lives."""

    def start(self):
        self.launch()
        try:
            self.await_answer()
        except BaseException:
            self.kill()
            raise

    def launch(self):
        self._log_file = open(self.folder / "log", "a", encoding="utf-8")
        self.launched = time.monotonic()
        self.process = subprocess.Popen(
            [os.environ["SLIPWAY_BIN"], "serve", "--config", self.config, "--data", self.data, *self.flags],
            stdout=self._log_file, stderr=self._log_file, env=environment(self.folder), cwd=self.folder)
        self.urls = [f"unix:{self.folder / SOCKET}"]
        self.url = self.urls[0]

    def await_answer(self):
        """Seconds from its launch to its first answer."""
        while True:
            if self.process.poll() is not None:
                raise Violation(f"the server does not start, it ended with {self.process.returncode}")
            try:
                with Connection(self, timeout=START_MAX) as connection:
                    status = connection.request("GET", "/v2/").status
                took = time.monotonic() - self.launched
                if status != 200 or took > START_MAX:
                    raise Violation(f"after {took:.3f} s the server answered {status}")
                return took
            except (ConnectionError, FileNotFoundError) as error:
                if time.monotonic() - self.launched > START_MAX:
                    raise Violation(f"the server did not answer within {START_MAX} s: {error!r}") from None
                time.sleep(0.001)

    def read_log(self):
        return (self.folder / "log").read_text(errors="replace")


class World:
    """What the clients share, what happened so far, and the first failure."""

    def __init__(self, folder, seed):
        self.seed, self.round = seed, 0
        self.server = KilledServer(folder, CONFIG, listen=[f"unix:{Path(folder) / SOCKET}"])
        self.book, self.manifests = Book(), {}
        self.clients = [Client(self, number) for number in range(CLIENTS)]
        self.killing = threading.Event()
        self.failure = None
        self.kinds = collections.Counter()  # of kills
        self.ambiguous, self.told, self.turned_out_done = (collections.Counter() for _ in range(3))
        self.starts, self.checks = [], []  # seconds
        self.unknown_files = []  # (round, files, size) as the doctor tells
        self.leftovers = None  # at the end
        self.round_began = time.monotonic()
        self._lock = threading.Lock()

    def prepare(self):
        """Settles which names are a registry's and which a cache's."""
        for repository in REPOSITORIES:
            self.server.push_blob(repository, b"first")
        for cache in CACHES:
            assert self.server.request("PUT", f"/cas/{cache}/first", body=b"first").status == 201

    def clock(self):
        return time.monotonic() - self.round_began

    def report(self, client, error):
        with self._lock:
            if not self.failure:
                told = str(error) if isinstance(error, Violation) else "".join(traceback.format_exception(error))
                self.failure = f"client {client.number}: {told}"

    # --- Rounds

    def run_round(self):
        self.round += 1
        choose = random.Random(f"{self.seed}/{self.round}")
        at_start = choose.random() < 0.2
        longest = choose.choice([0.02, 0.2, 1])
        moment = choose.uniform(0, 0.06) if at_start else choose.uniform(0.001, longest)
        again = [choose.uniform(0, 0.06) for _ in range(choose.choice([0, 0, 1, 2]))]
        self.killing.clear()
        if at_start:
            self.server.kill()
            self.server.launch()
        self.under_load(moment)
        self.kinds["at start" if at_start else "under load"] += 1
        for later in again:
            self.server.launch()
            self.kill_at(later)
            self.kinds["in recovery"] += 1
        self.server.launch()
        self.starts.append(self.server.await_answer())
        began = time.monotonic()
        self.check()
        self.checks.append(time.monotonic() - began)
        if self.round % DOCTOR_EVERY == 0:
            self.unknown_files.append((self.round, *crash_check.check_doctor(self)))

    def kill_at(self, moment):
        """That many seconds after the server's launch."""
        time.sleep(max(0, self.server.launched + moment - time.monotonic()))
        self.kill_running()

    def kill_running(self):
        ended = self.server.process.poll()
        self.killing.set()
        self.server.kill()
        if ended is not None:
            raise Violation(f"the server ended by itself, with {ended}")

    def under_load(self, moment):
        self.round_began = time.monotonic()
        threads = [threading.Thread(target=client.run, daemon=True) for client in self.clients]
        for thread in threads:
            thread.start()
        time.sleep(max(0, self.round_began + moment - time.monotonic()))
        self.kill_running()
        for thread in threads:
            thread.join(60)
            if thread.is_alive():
                raise Violation("a client still waits for an answer")
        if self.failure:
            raise Violation(self.failure)

    def check(self):
        crash_check.check(self)
        known = {key.name for key in self.book.registers}
        self.manifests = {digest: manifest for digest, manifest in self.manifests.items() if digest in known}

    def finish(self):
        """Sessions come to their end, the server ends in peace, and everything is looked at a last time."""
        self.killing.clear()
        self.round_began = time.monotonic()
        for client in self.clients:
            client.finish_sessions()
            client.close()
        self.check()
        self.server.stop()
        self.server.start()
        self.check()
        self.unknown_files.append((self.round, *crash_check.check_doctor(self)))
        self.leftovers = crash_check.check_end(self)

    def summary(self):
        begun = sum((client.begun for client in self.clients), collections.Counter())
        acknowledged = sum((client.acknowledged for client in self.clients), collections.Counter())
        lines = [f"{self.round} rounds, seed {self.seed}; kills: "
                 + ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items())),
                 f"{begun.total()} operations, {acknowledged.total()} acknowledged, {self.ambiguous.total()} never "
                 f"answered; of {self.told.total()} that can be told, {self.turned_out_done.total()} turned out done",
                 f"  {'operation':28}{'sent':>8}{'acked':>8}{'open':>6}{'told':>6}{'done':>6}"]
        lines += [f"  {kind:28}{begun[kind]:8}{acknowledged[kind]:8}{self.ambiguous[kind]:6}{self.told[kind]:6}"
                  f"{self.turned_out_done[kind]:6}" for kind in sorted(begun)]
        lines += [f"sessions resumed across a kill: {sum(client.sessions_resumed for client in self.clients)}; most "
                  f"kills one came through: {max(client.kills_survived for client in self.clients)}",
                  f"start to first answer: median {statistics.median(self.starts) * 1000:.0f} ms, largest "
                  f"{max(self.starts) * 1000:.0f} ms",
                  f"a look at everything: median {statistics.median(self.checks) * 1000:.0f} ms, largest "
                  f"{max(self.checks) * 1000:.0f} ms",
                  "files of blobs that no row knows: " + "; ".join(
                      f"{files} ({size}) at round {number}" for number, files, size in self.unknown_files[-4:]),
                  f"left at the end: {self.leftovers}"]
        return "\n".join(lines)


def run(folder, seed, rounds, progress=lambda world: None):
    """Returns the World after its last look; raises Violation, with the round in it. The server is ended either way."""
    world = World(folder, seed)
    try:
        world.prepare()
        while world.round < rounds:
            world.run_round()
            progress(world)
        world.finish()
        world.server.stop()
        crash_check.check_rebuild(world)
    except Exception as error:
        told = str(error) if isinstance(error, (Violation, AssertionError)) else traceback.format_exc()
        raise Violation(f"round {world.round} of seed {seed}: {told}") from None
    finally:
        for client in world.clients:
            client.close()
        if world.server.process:
            world.server.kill()
    return world


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32), help="(a new one)")
    parser.add_argument("--scratch", help="where the server keeps its data (a directory in TMPDIR)")
    return parser.parse_args()


def main():
    args = arguments()
    print(f"seed {args.seed}, {args.rounds} rounds, {CLIENTS} clients", flush=True)
    folder = tempfile.mkdtemp(prefix="slipway-crash-", dir=args.scratch)

    def progress(world):
        if world.round % 25 == 0:
            print(f"round {world.round}: {len(world.book.registers)} names, "
                  f"{sum(len(client.sessions) for client in world.clients)} sessions", flush=True)
    try:
        world = run(folder, args.seed, args.rounds, progress)
    except Violation as violation:
        sys.exit(f"{violation}\nThe data directory is {folder}/data, the server's log {folder}/log")
    print(world.summary())
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
