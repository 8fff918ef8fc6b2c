"""The store alone rebuilds the catalog: `slipway rebuild` from the journal that a server keeps in its store."""

import json
import os
import re
import sqlite3
import threading
import time
import unittest

from slipway_server import ServerTest, Server, digest_of, eventually, files_only, run_slipway, sqlite_only

INTERVAL = "[server]\njournal_interval = \"20ms\"\n"
# What docs/on-disk-format.md states: all tables that are rebuilt, and of their columns what drifts.
TABLES = {"setting": "name NOT IN ('token_key', 'next_location')", "repository": "1", "blob": "1", "digest": "1",
          "location": "1", "membership": "1", "manifest": "1", "edge": "1", "repository_manifest": "1", "tag": "1",
          "tag_history": "1", "cache_entry": "1", "pin": "1"}
DRIFTING = {"used_at"}
COUNTED = ("SELECT SUM(blobs), SUM(bytes) FROM pack WHERE condemned_at IS NULL",
           "SELECT SUM(entries), SUM(bytes) FROM cache_usage")


def dump(file):
    """Every stated row of a catalog, and what is counted from them."""
    database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    out = {}
    for table, condition in TABLES.items():
        rows = database.execute(f"SELECT * FROM {table} WHERE {condition}")
        names = [column[0] for column in rows.description]
        kept = [at for at, name in enumerate(names) if name not in DRIFTING]
        out[table] = sorted((tuple(row[at] for at in kept) for row in rows), key=repr)
    for query in COUNTED:
        out[query] = database.execute(query).fetchall()
    database.close()
    return out


@sqlite_only
class RebuildTest(ServerTest):
    def setUp(self):
        self.server = self.serve(INTERVAL)
        self.catalog = self.server.data / "catalog.sqlite"

    def rebuild(self, *flags, code=0):
        done = run_slipway("rebuild", "--data", str(self.server.data), *flags, folder=self.server.folder)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def lose_catalog(self):
        """Returns where it is now."""
        aside = self.server.folder / "aside"
        aside.mkdir(exist_ok=True)
        for suffix in ("", "-wal", "-shm"):
            file = self.catalog.with_name(self.catalog.name + suffix)
            if file.exists():
                file.rename(aside / file.name)
        return aside / self.catalog.name

    def assertRebuilds(self):
        """What is rebuilt of a server's store that is stopped is its catalog, to the row."""
        self.rebuild("--check", "--deep")
        lost = self.lose_catalog()
        self.rebuild()
        self.assertEqual(dump(self.catalog), dump(lost))

    def metric(self, name):
        text = self.server.request("GET", "/metrics").body.decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])

    def wait_for_journal(self):
        """Until the store has all that was acknowledged before."""
        since = time.monotonic()
        eventually(lambda: time.monotonic() - since > self.metric("slipway_journal_lag_seconds") + 0.001,
                   "the journal to catch up")

    def fill(self):
        content = self.server.push_image("app/image", "v1")
        self.large, self.small = os.urandom(300_000), b"small"
        for blob in (self.large, self.small):
            self.server.push_blob("app/image", blob)
        self.server.push_image("app/image", "gone")
        self.assertStatus(self.server.request("DELETE", "/v2/app/image/manifests/gone"), 202)
        self.assertStatus(self.server.request("PUT", "/cas/c/k", body=b"entry"), 201)
        self.assertStatus(self.server.request("PUT", "/cas/c/gone", body=b"other"), 201)
        self.assertStatus(self.server.request("DELETE", "/cas/c/gone"), 204)
        self.server.push_image("other", "v1")
        self.server.begin_upload("app/image")
        self.assertEqual(self.server.slipway("repo", "rm", "other").returncode, 0)
        return content

    def test_what_is_rebuilt_is_what_there_was(self):
        content = self.fill()
        self.server.stop()
        self.assertRebuilds()
        with Server(self.server.folder, config=INTERVAL) as again:
            self.assertEqual(again.request("GET", "/v2/app/image/manifests/v1").body, content)
            for blob in (self.large, self.small):
                self.assertEqual(again.request("GET", f"/v2/app/image/blobs/{digest_of(blob)}").body, blob)
            self.assertEqual(again.request("GET", "/cas/c/k").body, b"entry")
            self.assertStatus(again.request("GET", "/v2/app/image/manifests/gone"), 404)
            self.assertStatus(again.request("GET", "/v2/other/tags/list"), 404)
            again.push_image("app/image", "v2")
            done = again.slipway("doctor", "--deep")
            self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRebuilds()  # of the journal that the rebuilt catalog began

    def test_a_killed_server_loses_no_more_than_its_lag(self):
        self.fill()
        self.wait_for_journal()
        self.server.kill()
        lost = self.lose_catalog()
        self.rebuild("--deep")
        self.assertEqual(dump(self.catalog), dump(lost))

    @files_only
    def test_open_uploads_begin_anew_and_their_bytes_can_be_removed(self):
        location = self.server.begin_upload("app")
        self.assertStatus(self.server.request("PATCH", location, body=bytes(200_000)), 202)
        self.wait_for_journal()
        self.server.kill()
        self.lose_catalog()
        self.rebuild()
        done = run_slipway("doctor", "--deep", "--remove-unknown", "--data", "data", folder=self.server.folder)
        self.assertIn("; 1 files (195.3 KiB) are known to no row and were removed", done.stdout)
        self.assertEqual(list((self.server.data / "store/uploads").iterdir()), [])
        self.server.start()
        self.assertStatus(self.server.request("GET", location), 404)

    def test_under_load(self):
        stop, acknowledged, problems = threading.Event(), [], []

        def work(mine):
            for number in range(100_000):
                if stop.is_set():
                    return
                try:
                    repository, tag = f"load{mine}", f"t{number % 7}"
                    content = self.server.push_image(repository, tag, str(number))
                    acknowledged.append((repository, content))
                    if number % 5 == 4:
                        self.server.request("DELETE", f"/v2/{repository}/manifests/t{(number + 3) % 7}")
                except Exception as error:  # pylint: disable=broad-except
                    problems.append(error)
                    return

        threads = [threading.Thread(target=work, args=(mine,)) for mine in range(4)]
        for thread in threads:
            thread.start()
        try:
            eventually(lambda: len(acknowledged) > 300 or problems, "some pushes")
            before = list(acknowledged)
            self.wait_for_journal()
            self.server.kill()  # in the middle of whatever it does
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        lost = self.lose_catalog()
        report = json.loads(self.rebuild("--deep", "--json").stdout)
        self.assertEqual(report["lost"], [])
        rebuilt, present = dump(self.catalog), dump(lost)
        for table in ("manifest", "blob", "repository"):  # rows that nobody changes or removes here
            self.assertLessEqual(set(rebuilt[table]), set(present[table]), table)
        with Server(self.server.folder, config=INTERVAL) as again:
            for repository, content in before:
                path = f"/v2/{repository}/manifests/{digest_of(content)}"
                self.assertEqual(again.request("GET", path).body, content)

    def test_a_catalog_that_is_there_is_left_alone(self):
        self.fill()
        running = self.rebuild(code=1)
        self.assertIn("is in use by process", running.stderr)
        self.server.stop()
        before = dump(self.catalog)
        refused = self.rebuild(code=1)
        self.assertIn("catalog.sqlite is there: --check compares", refused.stderr)
        self.rebuild("--check")
        self.assertEqual(dump(self.catalog), before)
        self.assertEqual([file.name for file in self.server.data.glob("*rebuilt*")], [])

    def test_check_tells_what_differs(self):
        self.fill()
        self.server.stop()
        with sqlite3.connect(self.catalog) as database:
            database.execute("DROP TRIGGER tag_deleted")
            database.execute("DELETE FROM tag")
        database.close()
        done = self.rebuild("--check", code=1)
        self.assertIn("differs: tag: 1 rows rebuilt, 0 in the catalog", done.stdout)
        self.assertEqual(done.stdout.count("differs"), 1)

    @files_only
    def test_lost_and_damaged_blobs_are_told(self):
        self.fill()
        self.server.stop()
        raw = max(self.server.store_files("raw"), key=lambda file: file.stat().st_size)
        with open(raw, "r+b") as file:
            file.write(b"other bytes")
        self.rebuild("--check")
        damaged = self.rebuild("--check", "--deep", code=1)
        self.assertIn(f"lost or damaged: {digest_of(self.large)}", damaged.stderr)
        raw.unlink()
        lost = self.rebuild("--check", code=1)
        self.assertIn(f"lost or damaged: {digest_of(self.large)}", lost.stderr)

    @files_only
    def test_a_damaged_journal_is_told(self):
        self.fill()
        self.server.stop()
        self.lose_catalog()
        part = sorted((self.server.data / "store/journal").iterdir())[0]
        part.write_bytes(part.read_bytes().replace(b'"app/image"', b'"app/imagf"'))
        done = self.rebuild(code=1)
        self.assertIn(f"the journal's {part.name}: it is damaged: it is not what its checksum says", done.stderr)
        self.assertFalse(self.catalog.exists())

    @files_only
    def test_what_is_no_data_directory_is_refused(self):
        self.server.stop()
        done = run_slipway("rebuild", "--data", str(self.server.folder / "nothing"), folder=self.server.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not a Slipway data directory", done.stderr)
        self.assertFalse((self.server.folder / "nothing").exists())
        self.lose_catalog()
        unknown = self.rebuild("--journal", "00000007-00000000", code=1)
        self.assertIn("there is no whole generation '00000007-00000000' of the journal, but: 00000001-", unknown.stderr)

    def test_a_lost_catalog_is_not_replaced_by_an_empty_one(self):
        self.server.push_image("app", "v1")
        self.server.stop()
        self.lose_catalog()
        with self.assertRaisesRegex(Exception, "slipway rebuild"):
            self.server.start()

    @files_only
    def test_an_older_catalog_leaves_the_newer_journal(self):
        self.fill()
        self.server.stop()
        older = self.catalog.read_bytes()
        self.server.start()
        content = self.server.push_image("app", "newer")
        self.server.stop()
        self.lose_catalog()
        self.catalog.write_bytes(older)
        self.assertRemovesNothing("the catalog is older than generation")
        # As many changes as the journal has, but others.
        for name in "app/image", "app":
            run_slipway("repo", "rm", name, "--data", str(self.server.data), folder=self.server.folder)
        self.assertRemovesNothing("the catalog is older than generation")
        self.server.start()
        self.assertStatus(self.server.request("GET", "/v2/app/manifests/newer"), 404)
        eventually(lambda: "slipway rebuild" in self.server.read_log(), "the warning")
        done = self.server.slipway("doctor")
        self.assertIn("'slipway rebuild --journal NAME' reads them", done.stdout)
        self.server.stop()
        newer = sorted((self.server.data / "store/journal").iterdir())[0].name[:17]
        self.lose_catalog()
        self.assertIn("choose one by --journal: " + newer, self.rebuild(code=1).stderr)
        self.rebuild("--journal", newer)
        self.server.start()
        self.assertEqual(self.server.request("GET", "/v2/app/manifests/newer").body, content)

    def stored(self):
        return {path for path in (self.server.data / "store").rglob("*") if path.is_file()}

    def assertRemovesNothing(self, why):
        """`doctor --remove-unknown` leaves what a catalog made of the journal would know."""
        before = self.stored()
        done = run_slipway("doctor", "--deep", "--remove-unknown", "--data", str(self.server.data),
                           folder=self.server.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn(why, done.stdout)
        self.assertIn("nothing was removed", done.stdout)
        self.assertEqual(self.stored(), before)

    @files_only
    def test_a_catalog_from_before_the_journal_removes_nothing(self):
        self.fill()
        self.server.stop()
        self.lose_catalog()
        self.rebuild()
        older = self.catalog.read_bytes()
        self.server.start()
        content = self.server.push_image("app", "newer")
        self.wait_for_journal()
        self.server.stop()
        self.lose_catalog()
        self.catalog.write_bytes(older)
        self.assertRemovesNothing("none of this catalog, but of others, which may know what it does not")
        newer = sorted((self.server.data / "store/journal").iterdir())[0].name[:17]
        self.lose_catalog()
        self.rebuild("--journal", newer)
        self.server.start()
        self.assertEqual(self.server.request("GET", "/v2/app/manifests/newer").body, content)


if __name__ == "__main__":
    unittest.main()
