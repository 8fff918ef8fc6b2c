#!/usr/bin/env python3
"""Several servers on one bucket and one PostgreSQL, killed and stopped at random while clients push, pull and delete.
Nothing acknowledged is lost, no wrong byte and no half state is ever seen, and in the end nothing lies in the bucket that
no row knows.

usage: replica_rounds.py [--rounds N] [--seed S]     (as `./dev replicas`, which starts the object store)
"""

import argparse
import contextlib
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from postgres_server import PostgresServer, programs
from replica_clients import ReplicaClient
from replica_model import Account
from s3_client import Prefix
from slipway_server import Server, run_slipway, store_of
from test_bucket import AT_ONCE

COUNT, CLIENTS = 3, 6
LONG_EVERY, LONG = 20, 25  # a stop of so many seconds: longer than a lease, and than servers wait for each other's writes
CLOCK_OFF = 600  # seconds; an object store refuses who is off by more than a quarter of an hour
# What clients have given up goes while they work, and none that is at work waits so long between two requests of a session.
BUSY, SETTLED = 'limits.upload_expiry = "6m"\n', 'limits.upload_expiry = "1s"\n'


class Fleet:
    """The servers, and what can be done to them."""

    def __init__(self, folder, catalog, stack):
        self.folder, self.catalog = folder, catalog
        self.url = store_of(folder)
        self.bucket = Prefix(self.url)
        self.config = f'store.url = "{self.url}"\nstore.redirect = "never"\nstore.cache = "64MiB"\n' + AT_ONCE
        self.servers, self.shifts = [], []
        for number in range(COUNT):
            own = folder / str(number)
            own.mkdir()
            self.shifts.append(own / "shift")
            self.set_clock(number, 0)
            self.servers.append(stack.enter_context(Server(own, self.config + BUSY, ["--catalog", catalog],
                                                            env=self._shifted(number))))

    def _shifted(self, number):
        """With a clock of its own, where the tests were built with one."""
        shifted = os.environ.get("SHIFTED_CLOCK")
        return {"LD_PRELOAD": shifted, "CLOCK_SHIFT": str(self.shifts[number])} if shifted else {}

    def set_clock(self, number, seconds):
        path = self.shifts[number]
        with open(path, "r+b" if path.exists() else "wb") as file:
            file.write(struct.pack("<q", seconds))

    def stop(self):
        for server in self.servers:
            if server.process:
                server.stop()

    def start(self, more=BUSY):
        for server in self.servers:
            server.config.write_text(self.config + more, encoding="utf-8")
            server.start()

    def rows(self, query):
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", self.catalog, "-c", query], capture_output=True, text=True,
                              check=True)
        return done.stdout.split()


class Harm:
    """What happens in a round."""

    def __init__(self, fleet, chooser, account):
        self.fleet, self.chooser, self.account = fleet, chooser, account

    def round(self, number):
        time.sleep(self.chooser.uniform(0.1, 1.2))
        victim = self.chooser.randrange(COUNT)
        if number % LONG_EVERY == LONG_EVERY - 1:
            return self.stop([victim], LONG)
        act, = self.chooser.choices((self.kill, self.kill_all, self.stop, self.stop_two, self.stop_and_kill, self.shift),
                                    (45, 5, 25, 8, 12, 5))
        return act([victim])

    def kill(self, victims):
        self.account.kills += len(victims)
        for victim in victims:
            self.fleet.servers[victim].kill()
        for victim in victims:
            self.fleet.set_clock(victim, self.chooser.choice((0, 0, CLOCK_OFF, -CLOCK_OFF)))
            self.fleet.servers[victim].start()

    def kill_all(self, _):
        self.kill(range(COUNT))

    def stop(self, victims, seconds=None, then_kill=False):
        """From a tenth of a second to longer than a transaction may pause."""
        seconds = seconds or 0.1 * 80 ** self.chooser.random()
        self.account.count(f"stops of {len(victims)}" + (" for long" if seconds == LONG else ""))
        for victim in victims:
            self.fleet.servers[victim].signal(signal.SIGSTOP)
        time.sleep(seconds)
        if then_kill:
            return self.kill(victims)
        for victim in victims:
            self.fleet.servers[victim].signal(signal.SIGCONT)
        return None

    def stop_two(self, victims):
        self.stop([victims[0], (victims[0] + 1) % COUNT])

    def stop_and_kill(self, victims):
        self.stop(victims, then_kill=True)

    def shift(self, victims):
        self.account.count("clocks set")
        self.fleet.set_clock(victims[0], self.chooser.choice((CLOCK_OFF, -CLOCK_OFF)))


class Rest:
    """What lies in the bucket, counted against rows. Packs that were announced by a server that was killed are known: their
    row ends after an hour."""

    def __init__(self, fleet):
        there = fleet.bucket.objects()
        kept = {key for key in there if not key.startswith("journal/") and key != "store.id"}
        wanted = set(fleet.rows("SELECT key FROM location WHERE kind IN (1, 3)"))
        packs = set(fleet.rows("SELECT key FROM pack WHERE condemned_at IS NULL"))
        self.objects = len(kept)
        left = {"unknown": sorted(kept - wanted - packs), "lost": sorted(wanted - kept),
                "sessions": fleet.rows("SELECT id FROM upload"), "to remove": fleet.rows("SELECT key FROM deletion"),
                "multiparts": fleet.bucket.multiparts()}
        self.left = "; ".join(f"{what}: {len(some)} ({some[:3]})" for what, some in left.items() if some)


def settle(fleet):
    """Ends what was left unfinished: sessions soon are too old, bytes that nobody wants go, packs with holes are put
    together. Returns the rest, with all servers stopped."""
    for attempt in range(1, 7):
        fleet.stop()
        fleet.rows("DELETE FROM lease")  # of servers that are gone
        fleet.start(SETTLED)
        before, still = None, 0
        # A server's first act is to do all that, but for what the journal has to know of first. What it does in one go
        # may take a while, in which nothing of it is to be seen.
        while still < (4 if before == "" else 8 * attempt):
            time.sleep(1)
            left = Rest(fleet).left
            before, still = left, still + 1 if left == before else 0
        fleet.stop()
        rest = Rest(fleet)  # which now stands still
        if not rest.left:
            break
    return rest


def ask_doctor(fleet):
    """What `slipway doctor --deep` says, which removes what no row knows, and of the store's content. No server runs."""
    server = fleet.servers[0]
    done = run_slipway("doctor", "--config", server.config, "--data", server.data, "--catalog", fleet.catalog, "--deep",
                       "--remove-unknown", folder=server.folder, timeout=300)
    return done, next((line for line in done.stdout.splitlines() if "store contents" in line), done.stdout)


def run(fleet, rounds, seed, say=lambda text: None):
    """The rounds, and a look at every name at every server after; returns the account."""
    account, chooser = Account(), random.Random(seed)
    common = [(chooser.choice((700, 90_000)), f"common {number}") for number in range(8)]
    clients = [ReplicaClient(number, fleet.servers, account, seed, common) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    harm, before = Harm(fleet, chooser, account), 0
    try:
        for number in range(rounds):
            harm.round(number)
            if number % LONG_EVERY == LONG_EVERY - 1:
                say(f"{number + 1} rounds, {account.requests()} requests, {account.acknowledged()} pushes acknowledged")
                if account.acknowledged() == before:
                    account.problem("nothing was acknowledged in", LONG_EVERY, "rounds")
                before = account.acknowledged()
            if account.problems:
                break
    finally:
        for client in clients:
            client.stop()
    for client in clients:
        client.join(200)
        if client.is_alive():
            account.problem(client.name, "does not end")
    for number in range(COUNT):
        fleet.set_clock(number, 0)
    fleet.stop()
    fleet.start()  # what was given up is done by now, or never
    checks = [threading.Thread(target=client.check_everywhere) for client in clients]
    for check in checks:
        check.start()
    for check in checks:
        check.join()
    return account


def judge(fleet, account):
    """What is wrong after run(); and what was found besides."""
    rest = settle(fleet)
    done, contents = ask_doctor(fleet)
    after = Rest(fleet)
    wrong = list(account.problems)
    wrong += [f"left behind: {rest.left}"] if rest.left else []
    if done.returncode != 0 or "every blob has its bytes" not in contents:
        wrong.append(f"the doctor: {done.stdout} {done.stderr}")
    if after.left:
        wrong.append(f"left behind by the doctor: {after.left}")
    found = f"{after.objects} objects in the bucket, each known to a row\n{contents}\nrows: {', '.join(fleet.rows(TOTALS))}"
    return wrong, found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    if not programs():
        print("PostgreSQL is not installed (./dev installs it)", file=sys.stderr)
        return 1 if os.environ.get("CI") else 77
    print(f"{options.rounds} rounds, seed {options.seed}", flush=True)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-replicas-")))
        postgres = stack.enter_context(PostgresServer())
        fleet = Fleet(folder, postgres.url, stack)
        account = run(fleet, options.rounds, options.seed, lambda text: print(text, flush=True))
        wrong, found = judge(fleet, account)
        print(f"{account.requests():8} requests answered\n{account.acknowledged():8} pushes acknowledged")
        print(f"{account.kills:8} kills")
        for what, count in sorted(account.counts.items()):
            print(f"{count:8} {what}")
        print(found)
        for problem in wrong[:20]:
            print("WRONG:", problem)
        if wrong:
            for server in fleet.servers:
                print(f"--- {server.folder.name}", *server.read_log().splitlines()[-40:], sep="\n")
        return 1 if wrong else 0


TOTALS = """SELECT 'blobs=' || (SELECT COUNT(*) FROM blob), 'locations=' || (SELECT COUNT(*) FROM location),
                   'packs=' || (SELECT COUNT(*) FROM pack), 'tags=' || (SELECT COUNT(*) FROM tag),
                   'manifests=' || (SELECT COUNT(*) FROM manifest), 'entries=' || (SELECT COUNT(*) FROM cache_entry)"""

if __name__ == "__main__":
    sys.exit(main())
