"""What happens to servers whose PostgreSQL fails: nothing acknowledged is lost, clients are told to come again, the log
names the database and the cause, and everything goes on by itself once the database does.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

from postgres_server import PostgresServer, programs
from slipway_server import MANIFEST, Connection, ServerTest, digest_of, eventually, image_manifest, store_of
from tcp_proxy import TcpProxy
from test_bucket import noise

sys.path.append(str(Path(__file__).resolve().parent.parent / "faults"))
from small_disk import Absent, SmallDisk  # noqa: E402

TELLS = "database 'slipway' at 127.0.0.1:"
LOCK_OF_WRITES = 0x736c6970776179  # as in sql/postgres.cpp


class Pushers:
    """Clients that push images until they are stopped, some after another and all at once, and remember each answer."""

    def __init__(self, servers, count=4):
        self._servers, self._stopping = servers, threading.Event()
        self.kept = {}  # tag → manifest, acknowledged
        self.answers, self.broken = [], 0
        self._threads = [threading.Thread(target=self._push, args=(number,)) for number in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def statuses(self):
        return {answer.status for answer in self.answers}

    def _push(self, number):
        turn = random.Random(number)
        made = 0
        while not self._stopping.is_set():
            made += 1
            tag, config = f"t{number}-{made}", f'{{"image":"{number} {made}"}}'.encode()
            content = image_manifest(config, [noise(90_000, tag)])
            pushes = [("POST", f"/v2/a/blobs/uploads/?digest={digest_of(blob)}", (), blob)
                      for blob in (config, noise(90_000, tag))]
            pushes.append(("PUT", f"/v2/a/manifests/{tag}", [("Content-Type", MANIFEST)], content))
            if all(self._ask(turn.sample(self._servers, len(self._servers)), push) for push in pushes):
                self.kept[tag] = content

    def _ask(self, servers, request):
        """Of the first that is there, as a load balancer would."""
        for server in servers:
            try:
                connection = Connection(server, timeout=400)
            except ConnectionRefusedError:
                continue
            try:
                with connection:
                    answer = connection.request(*request)
            except OSError:
                break
            self.answers.append(answer)
            return answer.status == 201
        self.broken += 1
        return False


class PostgresFaultsTest(ServerTest):
    def begin(self, postgres=None, proxied=False, count=2, **options):
        """Servers on one bucket and a PostgreSQL of this test's own."""
        self.postgres = postgres or self.enterContext(PostgresServer(**options))
        url = self.postgres.url
        if proxied:
            self.proxy = self.enterContext(TcpProxy(self.postgres.port))
            url = url.replace(f":{self.postgres.port}/", f":{self.proxy.own_port}/")
        folder = self.folder()
        self.servers = []
        for number in range(count):
            (folder / str(number)).mkdir()
            self.servers.append(self.serve(self.config_of(folder), "--catalog", url, folder=folder / str(number)))
        return self.servers

    @staticmethod
    def config_of(folder):
        return f'store.url = "{store_of(folder)}"\nstore.redirect = "never"\n'

    def push(self, text):
        """The manifest's answer; else the first that was none of success."""
        server = self.servers[0]
        config, layer = f'{{"text":"{text}"}}'.encode(), noise(90_000, text)
        for blob in (config, layer):
            answer = server.request("POST", f"/v2/a/blobs/uploads/?digest={digest_of(blob)}", body=blob)
            if answer.status != 201:
                return answer
        return server.put_manifest("a", text, image_manifest(config, [layer]))

    def is_whole(self, tag, content):
        for server in self.servers:
            answer = server.request("GET", f"/v2/a/manifests/{tag}", [("Accept", MANIFEST)])
            self.assertEqual((answer.status, answer.body), (200, content), tag)
        for layer in json.loads(content)["layers"]:
            self.assertEqual(self.servers[0].request("HEAD", f"/v2/a/blobs/{layer['digest']}").status, 200)

    def check(self, pushers, refusals=(503,)):
        """All that was acknowledged is there, all else was refused for now, and all goes on."""
        for answer in pushers.answers:
            if answer.status in (201, *refusals):
                continue
            lines = [line for server in self.servers for line in server.log_lines(answer["X-Request-Id"])]
            # Who was at a COMMIT, and heard of no database for a quarter of a minute, says so.
            self.assertTrue(503 in refusals and any("whether it was done is not known" in line for line in lines),
                            [answer, *lines])
        self.assertEqual(pushers.broken, 0)
        for answer in pushers.answers:
            if answer.status in refusals:
                self.assertIsNotNone(answer["Retry-After"], answer)
        self.assertGreater(len(pushers.kept), 5)
        eventually(lambda: self.push("afterwards").status == 201, "going on")
        for tag, content in pushers.kept.items():
            self.is_whole(tag, content)

    def check_refusal(self, answer, *words, status=503):
        """What the client is told, and what the log says beyond that."""
        self.assertEqual(answer.status, status, answer)
        self.assertIsNotNone(answer["Retry-After"])
        self.assertNotIn(b"127.0.0.1", answer.body)
        for word in words:
            self.assertTrue(self.servers[0].log_lines(answer["X-Request-Id"], "error", TELLS, word),
                            (word, self.servers[0].log_lines(answer["X-Request-Id"])))

    # --- Connections

    def test_the_answer_to_a_commit_is_lost(self):
        self.begin(proxied=True)
        passes = random.Random(1)
        self.proxy.cut_at(b"COMMIT\0", 5, lambda: passes.random() < 0.6)
        with Pushers(self.servers) as pushers:
            time.sleep(12)
        self.proxy.cut_at(None, 0, None)
        self.assertGreater(self.proxy.cuts, 20)
        self.check(pushers, ())  # nobody hears of it
        for tag in pushers.kept:  # done once
            history = json.loads(self.servers[0].slipway("tag", "history", "a", tag, "--json").stdout)["history"]
            self.assertEqual(len(history), 1, tag)

    def test_sessions_are_ended_by_an_administrator(self):
        self.begin()
        with Pushers(self.servers) as pushers:
            for _ in range(60):
                time.sleep(0.1)
                self.postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'slipway' "
                                  "AND random() < 0.5")
        self.check(pushers)

    # --- The server

    def test_it_starts_anew(self):
        self.begin()
        with Pushers(self.servers) as pushers:
            for number in (signal.SIGINT, signal.SIGQUIT) * 3:
                time.sleep(1.5)
                self.postgres.send(number)
        self.check(pushers)

    def test_it_is_gone_for_a_while(self):
        self.begin()
        self.assertEqual(self.push("before").status, 201)
        self.postgres.stop()
        began = time.monotonic()
        self.check_refusal(self.push("meanwhile"), "refused")
        self.check_refusal(self.servers[0].request("GET", "/v2/a/manifests/before"), "refused")
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(self.servers[0].request("GET", "/healthz").status, 200)
        self.assertEqual(self.servers[0].request("GET", "/readyz").status, 503)
        answer = self.servers[0].request("PUT", "/cas/c/key", body=b"entry")
        self.assertEqual((answer.status, answer["Retry-After"] is not None), (503, True), answer)
        self.postgres.start()
        self.assertEqual(self.push("meanwhile").status, 201)
        self.assertEqual(self.servers[0].request("GET", "/v2/a/manifests/before").status, 200)

    def test_it_stands_still(self):
        """For less than our time-outs; test_postgres_pause_slow.py waits for longer."""
        self.begin()
        with Pushers(self.servers) as pushers:
            time.sleep(3)
            self.postgres.send_all(signal.SIGSTOP)
            try:
                time.sleep(12)
            finally:
                self.postgres.send_all(signal.SIGCONT)
            time.sleep(3)
        self.check(pushers, (429, 503))

    def test_it_becomes_read_only(self):
        self.begin()
        with Pushers(self.servers) as pushers:
            time.sleep(2)
            self.set("default_transaction_read_only", "on")
            time.sleep(3)
            self.check_refusal(self.push("meanwhile"), "read-only")
            tag, content = next(iter(pushers.kept.items()))
            self.is_whole(tag, content)  # reads go on
            self.set("default_transaction_read_only", "off")
            time.sleep(2)
        self.check(pushers)

    def set(self, name, value):
        self.postgres.run(f"ALTER SYSTEM SET {name} = {value}")
        self.postgres.run("SELECT pg_reload_conf()")

    def test_a_standby_in_its_place(self):
        """It is not taken for the database until it is promoted; then all that was acknowledged is there."""
        self.begin(proxied=True)
        standby = self.enterContext(PostgresServer(standby_of=self.postgres))
        self.set("synchronous_standby_names", "'*'")
        eventually(lambda: "sync" in self.postgres.run("SELECT sync_state FROM pg_stat_replication"), "the standby")
        time.sleep(1)
        with Pushers(self.servers) as pushers:
            time.sleep(4)
            self.proxy.port = standby.port
            self.proxy.cut_all()
            self.postgres.stop(signal.SIGKILL)
            time.sleep(2)
            self.check_refusal(self.push("meanwhile"), "hot standby")
            self.check_refusal(self.servers[0].request("GET", "/v2/a/manifests/t0-1"), "hot standby")
            standby.promote()
            standby.run("ALTER SYSTEM SET synchronous_standby_names = ''")
            standby.run("SELECT pg_reload_conf()")
            time.sleep(4)
        self.check(pushers)

    # --- Locks

    def test_somebody_else_keeps_what_we_need(self):
        """A deadlock ends one of those in it; it is tried again."""
        self.begin()
        with Pushers(self.servers) as pushers:
            for _ in range(4):
                time.sleep(1)
                self.postgres_session("BEGIN", "LOCK TABLE blob IN ACCESS EXCLUSIVE MODE", "SELECT pg_sleep(0.3)",
                                      f"SELECT pg_advisory_xact_lock({LOCK_OF_WRITES})", "COMMIT")
        self.check(pushers)
        self.assertIn("deadlock detected", self.postgres.log())

    def test_somebody_else_writes_for_long(self):
        self.begin(count=1)
        self.assertEqual(self.push("before").status, 201)
        # Longer than two writes wait, one after the other: the server's own may be ahead of the client's.
        other = threading.Thread(target=self.postgres_session,
                                 args=("BEGIN", f"SELECT pg_advisory_xact_lock({LOCK_OF_WRITES})", "SELECT pg_sleep(46)", "COMMIT"))
        other.start()
        time.sleep(1)
        with Connection(self.servers[0], timeout=45) as connection:
            answer = connection.request("POST", f"/v2/a/blobs/uploads/?digest={digest_of(b'meanwhile')}", (), b"meanwhile")
        self.assertEqual(answer.status, 429, answer)
        self.assertIsNotNone(answer["Retry-After"])
        self.assertIn(b"waiting for the writes of other servers", answer.body)
        self.assertEqual(self.servers[0].request("GET", "/v2/a/manifests/before").status, 200)
        other.join()
        self.assertEqual(self.push("meanwhile").status, 201)

    def postgres_session(self, *statements):
        url = self.postgres.url
        subprocess.run(["psql", "-X", "-q", url, *(word for one in statements for word in ("-c", one))], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    # --- Disks

    def small_disk(self, mebibytes):
        try:
            folder = self.folder()
            folder.chmod(0o755)  # PostgreSQL is another user
            disk = SmallDisk(folder / "disk", mebibytes)
        except Absent as absent:
            if os.environ.get("CI") == "true":
                raise
            self.skipTest(f"no small disk to be had: {absent}")
        self.addCleanup(disk.close)
        disk.place.chmod(0o777)
        return disk

    def test_its_tables_have_no_room(self):
        disk = self.small_disk(64)
        postgres = self.enterContext(PostgresServer())
        tables = disk.place / "tables"
        tables.mkdir()
        subprocess.run(["chown", "postgres", tables], check=True)
        postgres.run(f"CREATE TABLESPACE small LOCATION '{tables}'")
        postgres.run("DROP DATABASE slipway")
        postgres.run("CREATE DATABASE slipway TEMPLATE template0 ENCODING 'UTF8' TABLESPACE small")
        self.begin(postgres)
        with Pushers(self.servers) as pushers:
            time.sleep(2)
            filler = disk.fill("filler")
            eventually(lambda: 507 in pushers.statuses(), "a full disk", 90)
            refused = next(answer for answer in pushers.answers if answer.status == 507)
            lines = [line for server in self.servers for line in server.log_lines(refused["X-Request-Id"], TELLS)]
            self.assertTrue(any("No space left on device" in line for line in lines), lines)
            self.is_whole(*next(iter(pushers.kept.items())))
            filler.unlink()
            time.sleep(2)
        self.check(pushers, (503, 507))

    def test_its_log_has_no_room(self):
        """It ends, and does not start, until there is some."""
        disk = self.small_disk(128)
        self.begin(wal=disk.place / "wal", settings={"max_wal_size": "32MB", "min_wal_size": "32MB", "wal_recycle": "off"})
        with Pushers(self.servers) as pushers:
            time.sleep(2)
            filler = disk.fill("filler")
            eventually(lambda: 503 in pushers.statuses(), "a full disk", 90)
            time.sleep(3)
            filler.unlink()
            eventually(lambda: self.push("afterwards").status == 201, "its start", 60)
            time.sleep(1)
        self.check(pushers, (503, 507))

    # --- What it says of itself

    def risks(self, **settings):
        postgres = self.enterContext(PostgresServer(keep=True, settings=settings))
        server, = self.begin(postgres, count=1)
        told = json.loads(server.slipway("doctor", "--json").stdout)
        self.assertTrue(told["healthy"])
        found = [check["message"] for check in told["checks"] if check["name"] == "database" and check["state"] == "warn"]
        self.assertEqual(len(server.log_lines("warn", "what is acknowledged may be lost", TELLS)), len(found))
        server.stop()
        return found

    def test_a_database_that_does_not_flush_is_told_of(self):
        fsync, = self.risks(fsync="off")
        self.assertIn("fsync is off", fsync)
        pages, = self.risks(full_page_writes="off")
        self.assertIn("full_page_writes is off", pages)
        self.assertEqual(self.risks(synchronous_commit="off"), [])  # each server turns it on for itself
        self.assertEqual(self.risks(), [])


if __name__ == "__main__":
    if not programs():
        print("PostgreSQL is not installed (./dev installs it)", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 77)
    unittest.main()
