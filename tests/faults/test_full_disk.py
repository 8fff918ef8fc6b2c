"""A small disk that becomes full under clients: they are told, reads go on, and with room everything works again."""

import os
import shutil
import unittest

import small_disk
from crash_check import deletions_waiting
from disk_clients import DiskClient
from fault_world import DoorServer, Ended, new_folder
from slipway_server import ServerTest, eventually

CONFIG = '[log]\nlevel = "info"\nrequests = false\n[limits]\nkeep_free = "{}"\n'
MEBIBYTES = 48
CLIENTS = 4


class FullDiskTest(ServerTest):
    def setUp(self):
        self.place = new_folder("slipway-full-disk-")
        self.addCleanup(os.rmdir, self.place)
        self.addCleanup(lambda: [path.unlink() for path in self.place.iterdir() if path.name != "data"])
        try:
            self.disk = small_disk.SmallDisk(self.place / "data", MEBIBYTES)
        except small_disk.Absent as absent:
            (self.place / "data").rmdir()
            if os.environ.get("CI") == "true":
                self.fail(f"CI has to fill a disk: {absent}")
            self.skipTest(str(absent))
        self.addCleanup((self.place / "data").rmdir)
        self.addCleanup(self.disk.close)
        if self.disk.kind != "ext4":
            print(f"there are no loop devices here: this is a {self.disk.kind}")
        self.ballast = self.disk.place / "ballast"
        self.ballast.write_bytes(bytes(24 << 20))

    def serve(self, keep_free="0"):
        self.server = DoorServer(self.place, CONFIG.format(keep_free))
        self.addCleanup(lambda: self.server.process and self.server.kill())

    def clients(self, seed, first=0):
        return [DiskClient(self.server, first + number, seed) for number in range(CLIENTS)]

    def work(self, clients, until=None):
        for client in clients:
            client.start()
        if until:
            until()
        for client in clients:
            client.join(120)
            self.assertFalse(client.is_alive(), "a client still waits for an answer")
            if client.problem:
                raise client.problem

    def check(self, clients):
        for client in clients:
            client.check()

    def doctor(self):
        report = self.server.slipway("doctor", "--deep", "--json")
        self.assertEqual(report.returncode, 0, report.stdout + report.stderr)

    def test_until_it_is_full_and_after(self):
        self.serve()
        clients = self.clients(1)
        self.work(clients)
        self.disk.fill("filler")
        refused = sum(len(client.refusals) for client in clients)
        self.assertTrue(self.server.log_lines("no space", "id=", "error="))
        self.check(clients)
        for client in clients:
            client.delete_some()  # or is refused: the catalog's log may have to grow for it
        deleted = sum(client.deleted for client in clients)
        # What the catalog's log holds at most, for SQLite moves that into the catalog first.
        os.truncate(self.ballast, self.ballast.stat().st_size - (6 << 20))
        for client in clients:
            client.delete_some()
            client.delete_some()
        self.assertGreater(sum(client.deleted for client in clients), 4 * CLIENTS, "some room is enough to delete")
        self.check(clients)

        (self.disk.place / "filler").unlink()
        self.ballast.unlink()
        for client in clients:
            client.push_refused()
        self.check(clients)
        # The janitor works once a minute; a start is one of its moments too.
        self.server.stop()
        self.server.start()
        eventually(lambda: deletions_waiting(self.server) == 0, "the end of the deletion queue")
        self.check(clients)
        self.doctor()
        print(f"{self.disk.kind}: {sum(len(client.holds) for client in clients)} names; {refused} requests refused; "
              f"{deleted} deletes done while it was full")

    def test_started_while_it_is_full(self):
        self.serve()
        clients = self.clients(2)
        self.work(clients)
        for end in self.server.kill, self.server.stop:
            self.disk.fill("filler")
            end()
            self.disk.fill("filler")  # what the end gave free
            try:
                self.server.start()
            except Ended as ended:  # the catalog's index of its log needs some room; it must say so
                self.assertEqual(ended.status, 1)
                self.assertRegex(ended.said, r"slipway: \S*catalog.sqlite: .*(No space left on device|is full)")
                print(f"after {end.__name__}: {ended.said.splitlines()[-1]}")
                os.truncate(self.ballast, self.ballast.stat().st_size - (256 << 10))
                self.server.start()
            self.check(clients)
            (self.disk.place / "filler").unlink()
        self.ballast.unlink()
        for client in clients:
            client.push_refused()
        self.check(clients)
        self.doctor()

    def test_pushes_leave_room_for_deletions(self):
        self.serve(keep_free="8MiB")
        clients = self.clients(4)
        self.work(clients)
        self.assertTrue(self.server.log_lines("no space", "for deletions only", "id="))
        for end in self.server.stop, self.server.kill:
            end()
            self.server.start()
        self.check(clients)
        free = self.disk.free()
        for client in clients:
            client.refusals.clear()
            for _ in range(200):
                client.delete_some()
            self.assertEqual(client.refusals, [], "a deletion was refused")
            self.assertFalse(client.sessions)
        self.check(clients)
        self.assertGreater(self.disk.free(), free)
        for client in clients:
            self.assertTrue(client.push(5000), "what was deleted made no room")
        self.check(clients)
        self.doctor()
        print(f"{free >> 10} KiB were left free; {sum(client.deleted for client in clients)} deletes done")

    def test_killed_when_it_has_become_full(self):
        self.serve()
        everybody = []
        for round_number in range(3):
            clients = self.clients(3, round_number * CLIENTS)
            everybody += clients
            self.work(clients, until=lambda: self.kill_when_full(clients, round_number))
            self.server.start()
            self.check(everybody)
        self.ballast.unlink()
        for client in everybody:
            client.push_refused()
        self.check(everybody)
        self.doctor()

    def kill_when_full(self, clients, more):
        """After some refusals: more of them, each round."""
        eventually(lambda: sum(len(client.refusals) for client in clients) > 3 * more
                   or not any(client.is_alive() for client in clients), "a full disk")
        self.server.kill()

    def test_a_publication_that_does_not_fit(self):
        """The channel stays where it was, whole; with room the same command goes on."""
        self.serve()
        source = self.place / "source"
        self.addCleanup(shutil.rmtree, source)

        def publish(text, count):
            shutil.rmtree(source, ignore_errors=True)
            for number in range(count):
                page = source / f"d{number % 7}" / f"{number}.html"
                page.parent.mkdir(parents=True, exist_ok=True)
                page.write_bytes(b"%s %d " % (text, number) + os.urandom(20_000))
            (source / "index.html").write_bytes(text)
            return self.server.slipway("publish", str(source), "site", "--json")

        self.assertEqual(publish(b"first", 100).returncode, 0)
        self.disk.fill("filler")
        refused = publish(b"second", 2000)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn("disk is full", refused.stderr)
        self.assertEqual(self.server.request("GET", "/site/").body, b"first")
        for number in range(100):
            self.assertTrue(self.server.request("GET", f"/site/d{number % 7}/{number}").body.startswith(b"first"))
        self.server.kill()  # and with a full disk it starts
        self.server.start()
        self.assertEqual(self.server.request("GET", "/site/").body, b"first")
        for file in ("filler", "ballast"):
            (self.disk.place / file).unlink()
        self.assertEqual(publish(b"third", 100).returncode, 0)
        self.assertEqual(self.server.request("GET", "/site/").body, b"third")
        self.doctor()


if __name__ == "__main__":
    unittest.main()
