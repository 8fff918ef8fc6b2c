"""A short run of faults.py, and that it would notice a server that loses something or says nothing."""

import os
import random
import unittest

import faults
from fault_operations import Push
from fault_starts import Starts
from fault_world import World, Wrong, new_folder
from file_faults import FOREVER, KINDS
from slipway_server import ServerTest

SEED = os.environ.get("FAULTS_SEED", "1")


class FaultsCase(ServerTest):
    def folder(self):
        folder = new_folder("slipway-faults-")
        self.addCleanup(faults.shutil.rmtree, folder, ignore_errors=True)
        return folder

    def world(self):
        world = World(self.folder(), SEED)
        self.addCleanup(lambda: world.server.process and world.server.kill())
        return world


class FaultsTest(FaultsCase):
    def test_some_calls_of_every_operation_and_start(self):
        tallies = faults.run(self.folder(), SEED, 2)
        for name, tally in tallies.items():
            print(f"{name}: {tally}")
            self.assertGreater(tally.total(), 30)
            for kind in "EIO", "lasting EIO", "ENOSPC", "full":
                self.assertGreater(tally.tried[kind]["refused"], 0, kind)

    def test_every_start_on_a_full_disk(self):
        starts = Starts(self.folder(), SEED)
        self.addCleanup(lambda: starts.world.server.process and starts.world.server.kill())
        tally = faults.Tally()
        for kind in KINDS["full"], KINDS["ENOSPC"]:
            for first in range(1, 1000):
                struck, refused = starts.trial("killed", kind, first)
                if not struck.struck:
                    break
                tally.add(kind, struck, refused)
        print(tally)
        self.assertGreater(tally.total(), 10)


class NoticingTest(FaultsCase):
    def setUp(self):
        self.server_world = self.world()
        self.server_world.settle_down()

    def test_faults_are_counted_and_told(self):
        world = self.server_world
        calls = faults.try_operation(world, Push, KINDS["EIO"], FOREVER, False)[0]
        self.assertEqual((calls.struck, calls.what), (0, ""))
        self.assertGreater(calls.calls, 20)
        struck, refused = faults.try_operation(world, Push, KINDS["EIO"], 3, False)
        self.assertEqual((struck.struck, refused), (1, True))
        self.assertRegex(struck.what, r"^[a-z0-9() ]+ (store|catalog)")

    def test_what_is_lost_is_noticed(self):
        world = self.server_world
        path = random.Random(1).choice([path for path in world.holds if "/blobs/" in path])
        self.assertStatus(world.server.request("DELETE", path), 202)
        with self.assertRaisesRegex(Wrong, "should give"):
            world.look(everything=True)

    def test_a_session_that_moved_is_noticed(self):
        world = self.server_world
        self.assertStatus(world.server.request("PATCH", next(iter(world.positions)), body=b"more"), 202)
        with self.assertRaisesRegex(Wrong, "an open upload moved"):
            world.look()

    def test_half_a_request_is_noticed(self):
        world = self.server_world
        there = next(path for path in world.holds if path.endswith("/one"))
        world.unsettled.append({there: b"other bytes", "/v2/standing/manifests/other": world.holds[there]})
        self.assertStatus(world.server.put_manifest("standing", "other", world.holds[there]), 201)
        with self.assertRaisesRegex(Wrong, "half of a request"):
            world.settle()


if __name__ == "__main__":
    unittest.main()
