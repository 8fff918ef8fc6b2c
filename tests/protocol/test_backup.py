"""Backups while the server serves: each restores to a whole state that has everything acknowledged before it began."""

import fcntl
import json
import os
import shutil
import threading
import unittest

from slipway_server import ServerTest, Server, digest_of, eventually, files_only, run_slipway, sqlite_only


@files_only
@sqlite_only  # services/test_moving.py has the other pairs
class BackupTest(ServerTest):
    def setUp(self):
        self.server = self.serve()
        self.to = self.server.folder / "backup"

    def back_up(self, server=None):
        data = (server or self.server).data
        done = run_slipway("backup", str(self.to), "--data", str(data), "--json", folder=self.server.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def restored(self, code=0, backup=None, name="restored"):
        """A server on what the backup restores to."""
        folder = self.server.folder / name
        folder.mkdir()
        done = run_slipway("restore", str(backup or self.to), "--data", str(folder / "data"), folder=folder)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(f"Next: slipway serve --data {folder / 'data'}", done.stdout)
        return self.enterContext(Server(folder))

    def assertHealthy(self, server):
        done = server.slipway("doctor", "--deep")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("; 0 files", done.stdout)

    def test_what_is_restored_is_what_there_was(self):
        large, small = os.urandom(3_000_000), b"small"
        content = self.server.push_image("app", "v1")
        for blob in (large, small):
            self.server.push_blob("app", blob)
        self.assertStatus(self.server.request("PUT", "/cas/c/k", body=b"entry"), 201)
        self.server.begin_upload("app")
        report = self.back_up()
        self.assertEqual((report["blobs"], report["damaged_blobs"]), (5, 0))
        self.assertEqual(report["copied_files"], 2)  # the large one, and the pack
        self.server.push_image("app", "later")
        restored = self.restored()
        self.assertEqual(restored.request("GET", "/v2/app/manifests/v1").body, content)
        self.assertStatus(restored.request("GET", "/v2/app/manifests/later"), 404)
        for blob in (large, small):
            self.assertEqual(restored.request("GET", f"/v2/app/blobs/{digest_of(blob)}").body, blob)
        self.assertEqual(restored.request("GET", "/cas/c/k").body, b"entry")
        self.assertEqual(restored.status()["uploads"], 0)
        restored.push_image("app", "new")
        self.assertHealthy(restored)

    def test_only_what_is_new_is_copied_and_what_is_gone_goes(self):
        for number in range(5):
            self.server.push_blob("app", b"%d" % number * 100_000)
        self.assertStatus(self.server.request("PUT", "/cas/c/k", body=bytes(200_000)), 201)
        self.assertEqual(self.back_up()["copied_files"], 6)
        again = self.back_up()
        self.assertEqual((again["copied_files"], again["copied_bytes"], again["removed_files"]), (0, 0, 0))
        self.server.push_blob("app", b"new" * 100_000)
        self.assertStatus(self.server.request("DELETE", "/cas/c/k"), 204)
        third = self.back_up()
        self.assertEqual((third["copied_files"], third["copied_bytes"], third["removed_files"]), (1, 300_000, 1))
        self.assertHealthy(self.restored())

    def test_under_load(self):
        stop, acknowledged, problems = threading.Event(), [], []

        def work(mine):
            number = 0
            while not stop.is_set():
                number += 1
                blob = os.urandom(100 if number % 2 else 150_000)
                if self.server.push_blob(f"load{mine}", blob):
                    acknowledged.append((f"load{mine}", blob))
                self.server.push_image(f"load{mine}", f"t{number % 5}", f"{mine} {number}")
                key = f"/cas/c/{mine}-{number % 7}"
                if self.server.request("PUT", key, body=os.urandom(90_000)).status != 201:
                    problems.append(key)
        threads = [threading.Thread(target=work, args=(mine,)) for mine in range(4)]
        for thread in threads:
            thread.start()
        backups = []
        try:
            for number in range(4):
                eventually(lambda: len(acknowledged) > 40 * (number + 1), "pushes")
                known = list(acknowledged)
                self.back_up()
                backups.append(known)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(problems, [])
        restored = self.restored()
        for repository, blob in backups[-1]:
            self.assertEqual(restored.request("GET", f"/v2/{repository}/blobs/{digest_of(blob)}").body, blob)
        self.assertHealthy(restored)
        eventually(lambda: "; 0 files" in self.server.slipway("doctor", "--deep").stdout, "what waited for the copy", 90)

    def test_a_server_removes_nothing_while_it_is_copied(self):
        self.assertStatus(self.server.request("PUT", "/cas/c/k", body=bytes(200_000)), 201)
        lock = os.open(self.server.data / "store" / "removals.lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.assertStatus(self.server.request("DELETE", "/cas/c/k"), 204)
        self.assertEqual(len(self.server.store_files("raw")), 1)
        self.assertEqual(self.server.slipway("doctor").returncode, 0)
        os.close(lock)
        self.server.stop()
        self.server.start()  # the janitor looks at once
        eventually(lambda: not self.server.store_files("raw"), "the removal")

    def test_of_a_stopped_server(self):
        content = self.server.push_image("app", "v1")
        self.server.stop()
        self.back_up()
        self.assertEqual(self.restored().request("GET", "/v2/app/manifests/v1").body, content)

    def test_a_backup_that_was_cut_short_is_gone_on_with(self):
        blobs = [bytes([number]) * 100_000 for number in range(3)]
        for blob in blobs:
            self.server.push_blob("app", blob)
        self.back_up()
        # As a kill leaves it: the new catalog not yet in place, a file half there.
        (self.to / "catalog.sqlite.new").write_bytes(b"half")
        stray = self.to / "store" / "raw" / "0" / "0000000000000fff"
        stray.write_bytes(b"half")
        os.unlink(next(path for path in (self.to / "store" / "raw").rglob("*") if path.is_file() and path != stray))
        self.assertEqual(self.back_up()["copied_files"], 1)
        self.assertFalse(stray.exists())
        self.assertHealthy(self.restored())

    def test_damage_is_found_told_and_passed_over(self):
        lost, wrong, good = (bytes([number]) * 100_000 for number in range(3))
        small = b"small and wrong"
        for blob in (lost, wrong, good, small):
            self.server.push_blob("app", blob)
        for path in self.server.store_files("raw"):
            if path.read_bytes() == lost:
                path.unlink()
            elif path.read_bytes() == wrong:
                path.write_bytes(good)
        pack = self.server.store_files("packs")[0]
        pack.write_bytes(pack.read_bytes().replace(small, small.upper()))
        done = run_slipway("backup", str(self.to), "--data", str(self.server.data), folder=self.server.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("3 blobs are lost or damaged", done.stderr)
        for blob in (lost, wrong, small):
            self.assertIn(f"lost or damaged: {digest_of(blob)}\n", done.stderr)
            self.server.push_blob("other", blob)
        restored = self.restored(code=1)  # it says so as well, and goes on
        self.assertEqual(restored.request("GET", f"/v2/app/blobs/{digest_of(good)}").body, good)
        self.assertStatus(restored.request("GET", f"/v2/app/blobs/{digest_of(wrong)}"), 404, "BLOB_UNKNOWN")
        for server in self.server, restored:  # where it was pushed again, and where not yet
            server.push_blob("app", small)
            self.assertEqual(server.request("GET", f"/v2/app/blobs/{digest_of(small)}").body, small)

    def test_damage_does_not_reach_what_was_copied_before(self):
        good, small = b"good for now", b"small"
        self.server.push_blob("app", good)
        self.back_up()
        pack, = self.server.store_files("packs")
        pack.write_bytes(pack.read_bytes().replace(good, good.upper()))
        self.server.push_blob("app", small)
        self.assertEqual(self.back_up()["copied_files"], 1)
        restored = self.restored()
        for blob in (good, small):
            self.assertEqual(restored.request("GET", f"/v2/app/blobs/{digest_of(blob)}").body, blob)

    def test_damage_of_the_backup_is_mended_while_the_original_is_whole(self):
        small, other = b"small and right", b"other"
        self.server.push_blob("app", small)
        self.back_up()
        kept, = (self.to / "store" / "packs").iterdir()
        kept.write_bytes(kept.read_bytes().replace(small, small.upper()))
        self.server.push_blob("app", other)  # in the same pack, so that it is looked at
        self.back_up()
        self.assertIn(small, kept.read_bytes())

    def test_damage_is_told_again_until_it_is_mended(self):
        small = b"small and wrong"
        self.server.push_blob("app", small)
        pack, = self.server.store_files("packs")
        pack.write_bytes(pack.read_bytes().replace(small, small.upper()))
        for _ in range(2):
            done = run_slipway("backup", str(self.to), "--data", str(self.server.data), folder=self.server.folder)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"lost or damaged: {digest_of(small)}\n", done.stderr)
        self.assertStatus(self.server.request("HEAD", f"/v2/app/blobs/{digest_of(small)}"), 404)  # so it is sent again
        self.server.push_blob("app", small)
        self.back_up()
        self.assertHealthy(self.restored())

    def test_a_restored_older_copy_has_a_future_of_its_own(self):
        """As when a backup before some mistake is restored, and then backed up to where the newer one is."""
        older = self.server.folder / "older"
        self.server.push_image("app", "v1")
        self.back_up()
        shutil.copytree(self.to, older, copy_function=os.link)
        self.server.stop()
        self.server.start()  # which takes the next range of ids, as the restored one will
        for _ in range(3):
            self.server.push_blob("app", os.urandom(100_000))
        self.server.push_image("app", "mistake")
        self.back_up()
        self.server.stop()
        blobs = [os.urandom(100_000) for _ in range(3)]
        with self.restored(backup=older) as gone_on:
            for blob in blobs:
                gone_on.push_blob("app", blob)
            content = gone_on.push_image("app", "v2")
            self.back_up(gone_on)
        last = self.restored(name="last")
        self.assertEqual(last.request("GET", "/v2/app/manifests/v2").body, content)
        self.assertStatus(last.request("GET", "/v2/app/manifests/mistake"), 404)
        for blob in blobs:
            self.assertEqual(last.request("GET", f"/v2/app/blobs/{digest_of(blob)}").body, blob)
        self.assertHealthy(last)

    def fails(self, *arguments, says):
        done = run_slipway(*arguments, folder=self.server.folder)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(says, done.stderr)

    def test_refusals(self):
        data, to = str(self.server.data), str(self.to)
        self.back_up()
        self.fails("backup", data, "--data", data, says="is neither empty nor a backup")
        self.fails("backup", to, "--data", str(self.server.folder / "absent"), says="is not a Slipway data directory")
        self.fails("restore", to, "--data", data, says="is not empty")
        self.fails("restore", data, "--data", str(self.server.folder / "x"), says="is not a backup")
        self.fails("serve", "--data", to, says="is a backup: 'slipway restore")
        other = self.serve()
        self.fails("backup", to, "--data", str(other.data), says="belongs to store")
        self.assertEqual(run_slipway("backup", folder=self.server.folder).returncode, 2)


if __name__ == "__main__":
    unittest.main()
