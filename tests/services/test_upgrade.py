"""Servers of an older schema on a PostgreSQL whose tables a newer one has changed: they go on where that says that they may,
and say why not where it does not.

There is no newer server yet. What it would do is done here by its words: the lock of writes, the tables, a row of the
table `migration`.
"""

import os
import subprocess
import sys
import threading
import time
import unittest

from postgres_server import programs
from slipway_server import digest_of, eventually, run_slipway
from test_bucket import MIB, noise
from test_postgres_faults import LOCK_OF_WRITES, PostgresFaultsTest, Pushers

EXPAND = """
ALTER TABLE tag ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE upload ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE blob ADD COLUMN note BIGINT;
ALTER TABLE manifest ADD COLUMN note BIGINT NOT NULL DEFAULT 7;
ALTER TABLE location ADD COLUMN note TEXT;
CREATE INDEX tag_note ON tag(note);
CREATE TABLE newer (tag TEXT PRIMARY KEY);
"""


class UpgradeTest(PostgresFaultsTest):
    def migrate(self, version, oldest_reader, script=""):
        """In one transaction, as schema.cpp does."""
        return self.sql(f"BEGIN; SELECT pg_advisory_xact_lock({LOCK_OF_WRITES}); {script} "
                        f"INSERT INTO migration VALUES ({version}, {oldest_reader}, 0); COMMIT;")

    def sql(self, text):
        return subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", self.postgres.url], input=text, text=True,
                              check=False, capture_output=True)

    def test_older_servers_go_on_while_the_tables_grow(self):
        self.begin()
        with Pushers(self.servers) as pushers:
            time.sleep(2)
            done = self.migrate(90, 5, EXPAND)
            self.assertEqual(done.returncode, 0, done.stderr)
            time.sleep(2)
            self.servers[1].stop()  # one after the other
            self.servers[1].start()
            self.servers[0].slipway("tag", "rm", "a", next(iter(pushers.kept)))
            del pushers.kept[next(iter(pushers.kept))]
            time.sleep(1)
        self.assertEqual((pushers.statuses(), pushers.broken), ({201}, 0))
        for tag, content in pushers.kept.items():
            self.is_whole(tag, content)
        for server in self.servers:
            done = server.slipway("doctor")
            self.assertEqual(done.returncode, 0, done)
            self.assertIn("version 90", done.stdout)
        self.assertIn("0 changes behind", eventually(
            lambda: next((text for text in (server.slipway("doctor").stdout for server in self.servers)
                          if "0 changes behind" in text), None), "the journal"))

    def test_one_after_the_other_and_nobody_notices(self):
        """The first that starts anew brings the tables up to date; an upload goes on from one to the next."""
        self.begin(count=3)
        data = noise(30 * MIB)
        path, kept = self.servers[2].begin_upload("a"), 0
        with Pushers(self.servers) as pushers:
            for number, server in enumerate(self.servers):
                time.sleep(1)
                answer = server.request("PATCH", path, body=data[kept:kept + 10 * MIB])
                self.assertEqual(answer.status, 202, answer)
                kept += 10 * MIB
                server.stop()
                if number == 0:
                    self.assertEqual(self.migrate(90, 5, EXPAND).returncode, 0)
                time.sleep(1)
                server.start()
            time.sleep(1)
        self.assertEqual((pushers.statuses(), pushers.broken), ({201}, 0))
        answer = self.servers[0].request("PUT", f"{path}?digest={digest_of(data)}", body=b"")
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(self.servers[1].request("GET", f"/v2/a/blobs/{digest_of(data)}").body, data)
        self.assertGreater(len(pushers.kept), 20)
        for tag, content in pushers.kept.items():
            self.is_whole(tag, content)

    def test_older_servers_stop_where_they_would_be_wrong(self):
        self.begin()
        with Pushers(self.servers) as pushers:
            time.sleep(2)
            self.assertEqual(self.migrate(90, 90).returncode, 0)
            for server in self.servers:
                server.process.wait(30)
        words = "the catalog's schema is version 90, which needs a Slipway that knows version 90"
        for server in self.servers:
            self.assertEqual(server.process.returncode, 1)
            self.assertTrue(server.log_lines("error", words), server.read_log())
            server.kill()
        done = run_slipway("serve", "--config", self.servers[0].config, "--data", self.servers[0].data, "--listen",
                           "127.0.0.1:0", "--catalog", self.postgres.url, folder=self.servers[0].folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn(words, done.stderr)
        self.assertIn("install a newer Slipway", done.stderr)
        self.assertLessEqual(pushers.statuses(), {201, 503})

    def test_a_catalog_of_the_version_before_is_brought_up_to_date(self):
        """By whichever of several that start at once."""
        self.begin()
        self.assertEqual(self.push("before").status, 201)
        for server in self.servers:
            server.stop()
        applied = self.postgres_count("SELECT COUNT(*) FROM migration")
        undone = self.sql("DROP TABLE report; DROP TABLE tally; DROP TABLE first_published; DROP TABLE pin; DROP TABLE lease; ALTER TABLE pack DROP COLUMN announced_at; "
                          "ALTER TABLE tag_history DROP COLUMN event; DROP INDEX tag_name; "
                          "DELETE FROM migration WHERE version > 5;")
        self.assertEqual(undone.returncode, 0, undone.stderr)
        starts = [threading.Thread(target=server.start) for server in self.servers]
        for start in starts:
            start.start()
        for start in starts:
            start.join()
        self.assertEqual(self.push("after").status, 201)
        self.assertEqual(self.servers[1].request("GET", "/v2/a/manifests/before").status, 200)
        self.assertEqual(self.postgres_count("SELECT COUNT(*) FROM migration"), applied)
        self.assertEqual(self.postgres_count("SELECT COUNT(event) FROM tag_history"), 0)
        for server in self.servers:
            self.assertFalse(server.log_lines("does not exist"), server.read_log())

    def postgres_count(self, query):
        return int(subprocess.run(["psql", "-X", "-q", "-A", "-t", self.postgres.url, "-c", query], check=True,
                                  capture_output=True, text=True).stdout)


def load_tests(loader, *_):
    """What is inherited runs where it is written."""
    names = [name for name in loader.getTestCaseNames(UpgradeTest) if name in vars(UpgradeTest)]
    return unittest.TestSuite(UpgradeTest(name) for name in names)


if __name__ == "__main__":
    if not programs():
        print("PostgreSQL is not installed (./dev installs it)", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 77)
    unittest.main()
