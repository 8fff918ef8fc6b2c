"""Data directories that administrators make by accident: parts restored alone or from another day, locked, read-only,
from a newer version, with other people's files in them. The server works, or ends with 1 and says what to do; it never
destroys what is there."""

import contextlib
import os
import shutil
import sqlite3
import unittest

import small_disk
from fault_world import World, new_folder
from slipway_server import PATIENCE, ServerTest, digest_of, run_slipway


class DataDirectoryCase(ServerTest):
    def setUp(self):
        self.place = new_folder("slipway-data-")
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.world = World(self.place, 1)
        self.addCleanup(lambda: self.server.process and self.server.kill())
        self.world.settle_down()
        self.server, self.data = self.world.server, self.world.server.data
        self.catalog, self.store = self.data / "catalog.sqlite", self.data / "store"

    def refusal(self, *parts):
        """What `slipway serve` says when it does not start; it must be all of `parts`, and change nothing."""
        before = tree(self.data)
        ended = run_slipway("serve", "--data", self.data, "--listen", f"unix:{self.place}/other", folder=self.place,
                            timeout=PATIENCE)
        said = ended.stderr.strip().splitlines()[-1]
        self.assertEqual(ended.returncode, 1, ended.stderr)
        for part in ("slipway: ", *parts):
            self.assertIn(part, said)
        self.assertEqual(tree(self.data), before, "something was changed")
        return said

    def copy(self):
        """Of the directory as it is now, with no server on it."""
        copy = self.place / "copy"
        shutil.copytree(self.data, copy)
        return copy

    @contextlib.contextmanager
    def sql(self):
        database = sqlite3.connect(self.catalog)
        with database:
            yield database
        database.close()

    def push_more(self, count=5):
        return [self.world.push_image("later", f"tag-{number}") for number in range(count)]

    def start_and_look(self):
        self.server.start()
        self.world.look(everything=True)


def tree(folder):
    """Every file with its bytes, but for what tells who uses the directory, and for what SQLite makes while it looks: an
    empty log, and an index of it that is made anew by everybody."""
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {path: data for path, data in files.items()
            if path.name not in ("lock", "catalog.sqlite-shm") and (data or path.name != "catalog.sqlite-wal")}


class RestoredTest(DataDirectoryCase):
    def test_the_whole_directory_from_an_older_copy(self):
        self.server.stop()
        copy = self.copy()
        then = dict(self.world.holds)
        self.server.start()
        self.push_more()
        self.server.stop()
        shutil.rmtree(self.data)
        copy.rename(self.data)
        later, self.world.holds = self.world.holds, {path: then.get(path) for path in self.world.holds}
        self.start_and_look()
        self.world.check_doctor()
        self.push_more()
        self.world.look(everything=True)
        self.assertLess(len(then), len(later))

    def test_the_catalog_of_another_store(self):
        self.server.stop()
        (self.store / "store.id").write_text("0" * 32 + "\n")
        self.refusal(str(self.catalog), "belongs to store", "Put the matching pair back")

    def test_only_the_store_from_an_older_copy(self):
        self.server.stop()
        copy = self.copy()
        self.server.start()
        images = self.push_more()
        self.server.stop()
        shutil.rmtree(self.store)
        (copy / "store").rename(self.store)
        self.server.start()
        for blobs, manifest in images:
            for data in blobs:
                self.assertStatus(self.server.request("GET", f"/v2/later/blobs/{digest_of(data)}"), 404, "BLOB_UNKNOWN")
            self.assertEqual(self.server.request("GET", f"/v2/later/manifests/{digest_of(manifest)}").body, manifest)
        report = self.server.slipway("doctor", "--deep")
        self.assertEqual(report.returncode, 1)
        self.assertIn("10 blobs have lost their bytes; pushing them again heals them", report.stdout)
        for blobs, _ in images:
            for data in blobs:
                self.world.push_blob("later", data)
        self.world.look(everything=True)
        self.world.check_doctor()

    def test_only_the_catalog_from_an_older_copy(self):
        self.server.stop()
        old = self.catalog.read_bytes()
        then = dict(self.world.holds)
        self.server.start()
        images = self.push_more()
        self.server.stop()
        new, files = self.catalog.read_bytes(), tree(self.store)
        self.catalog.write_bytes(old)
        later, self.world.holds = self.world.holds, {path: then.get(path) for path in self.world.holds}
        self.start_and_look()
        self.push_more(8)
        self.world.look(everything=True)
        self.world.check_doctor()
        # The newer catalog was only mislaid: what it knows must not have been written over.
        self.server.stop()
        now = tree(self.store)
        self.assertEqual({path: now[path] for path in files}, files, "bytes of the newer catalog were written over")
        self.catalog.write_bytes(new)
        self.world.holds = later
        self.start_and_look()
        self.assertEqual(len(images), 5)


class CatalogTest(DataDirectoryCase):
    def test_missing(self):
        self.server.kill()
        for path in self.data.glob("catalog.sqlite*"):
            path.rename(self.place / path.name)
        self.refusal(str(self.catalog), "store")
        for path in self.place.glob("catalog.sqlite*"):
            path.rename(self.data / path.name)
        self.start_and_look()

    def test_missing_but_for_its_log(self):
        self.server.kill()
        self.catalog.rename(self.place / "mislaid")
        self.refusal(str(self.catalog), "store")
        (self.place / "mislaid").rename(self.catalog)
        self.start_and_look()

    def test_its_log_missing(self):
        self.server.kill()
        log = self.data / "catalog.sqlite-wal"
        log.rename(self.place / "mislaid")
        self.refusal(str(self.catalog), "-wal")
        (self.place / "mislaid").rename(log)
        self.start_and_look()

    def test_empty(self):
        self.server.stop()
        whole = self.catalog.read_bytes()
        self.catalog.write_bytes(b"")
        self.refusal(str(self.catalog), "store")
        self.catalog.write_bytes(whole)
        self.start_and_look()

    def test_garbage(self):
        self.server.stop()
        whole = self.catalog.read_bytes()
        self.catalog.write_bytes(os.urandom(len(whole)))
        self.refusal(str(self.catalog), "file is not a database")
        self.catalog.write_bytes(whole)
        self.start_and_look()

    def test_cut_off(self):
        self.server.stop()
        whole = self.catalog.read_bytes()
        for length in 50, 4096, len(whole) // 2:
            with self.subTest(length):
                self.catalog.write_bytes(whole[:length])
                self.refusal(str(self.catalog), "")
        self.catalog.write_bytes(whole)
        self.start_and_look()

    def test_a_log_of_garbage(self):
        """A log is believed as far as its checksums go: what was in it alone is lost, and nothing else."""
        self.server.stop()
        log = self.data / "catalog.sqlite-wal"
        log.write_bytes(os.urandom(50_000))
        self.start_and_look()
        self.push_more()
        self.server.kill()
        self.start_and_look()

    def test_a_newer_version(self):
        self.server.stop()
        with self.sql() as database:
            database.execute("INSERT INTO migration VALUES (99, 2, 0)")
        self.start_and_look()  # that version says that ours may use it
        self.server.stop()
        with self.sql() as database:
            database.execute("UPDATE migration SET oldest_reader = 99 WHERE version = 99")
        self.refusal(str(self.catalog), "version 99", "install a newer Slipway")


class StoreTest(DataDirectoryCase):
    def test_an_identity_that_is_none(self):
        self.server.stop()
        identity = self.store / "store.id"
        whole = identity.read_bytes()
        for content in b"", b"\0" * 32, b"x" * 300:
            with self.subTest(content):
                identity.write_bytes(content)
                self.refusal(str(identity))
        identity.unlink()
        self.refusal(str(self.store), "no store.id")
        identity.write_bytes(whole)
        self.start_and_look()

    def test_other_peoples_files(self):
        """They are passed over, and never removed."""
        self.server.stop()
        raw = next(path for path in (self.store / "raw").iterdir() if path.is_dir())
        theirs = {self.data / "notes.txt", self.data / "lost+found" / "file", self.store / "README", self.store / "raw" / "x",
                  raw / "0000000000000001.bak", raw / "not-hex-at-all!!", self.store / "uploads" / "letter"}
        for path in theirs:
            path.parent.mkdir(exist_ok=True)
            path.write_text("mine")
        self.start_and_look()
        self.push_more()
        self.assertStatus(self.server.request("DELETE", "/cas/kept/key"), 204)
        self.world.holds["/cas/kept/key"] = None
        self.world.check_doctor()
        self.server.stop()
        self.start_and_look()
        for path in theirs:
            self.assertEqual(path.read_text(), "mine")

    def test_somebody_elses_folder(self):
        self.server.stop()
        self.data = self.place / "theirs"
        (self.data / "store").mkdir(parents=True)
        (self.data / "store" / "letter").write_text("mine")
        self.refusal(str(self.data / "store"), "choose another place")


class UsedElsewhereTest(DataDirectoryCase):
    def test_by_another_server(self):
        pid = self.server.process.pid
        for command in ("serve", "init", "doctor"):
            ended = run_slipway(command, "--data", self.data, folder=self.place)
            self.assertEqual(ended.returncode, 1, ended)
            self.assertRegex(ended.stderr, f"slipway: {self.data} is in use by process {pid}")
        self.world.look(everything=True)

    def test_read_only(self):
        self.server.stop()
        disk = self.disk()
        shutil.copytree(self.data, disk.place, dirs_exist_ok=True)
        self.data, usual = disk.place, self.data
        disk.remount("ro")
        self.refusal(str(self.data), "Read-only file system")
        self.data = usual
        self.start_and_look()

    def disk(self):
        try:
            disk = small_disk.SmallDisk(self.place / "disk", 16)
        except small_disk.Absent as absent:
            if os.environ.get("CI") == "true":
                self.fail(f"CI has to make a file system read-only: {absent}")
            self.skipTest(str(absent))
        self.addCleanup(disk.close)
        return disk


if __name__ == "__main__":
    unittest.main()
