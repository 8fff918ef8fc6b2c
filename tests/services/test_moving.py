"""A registry goes elsewhere: its bytes between files and a bucket, its catalog between SQLite and PostgreSQL, a backup to
any pair of them. Each server here says itself where both are.
"""

import json
import os
import shutil
import signal
import subprocess
import threading
import unittest
import uuid
from urllib.parse import urlsplit, urlunsplit

from postgres_server import PostgresServer
from s3_client import Prefix

BUCKET = os.environ.pop("SLIPWAY_TEST_STORE")  # else every server would be there
from slipway_server import MANIFEST, Server, ServerTest, digest_of, environment, eventually, run_slipway  # noqa: E402

MIB = 1 << 20
STORES, CATALOGS = ("files", "bucket"), ("sqlite", "postgres")


def setUpModule():
    global POSTGRES
    POSTGRES = PostgresServer()
    unittest.addModuleCleanup(POSTGRES.close)


def new_prefix():
    """A place in the bucket where nothing is."""
    bucket, _, parameters = BUCKET.partition("?")
    return f"{bucket}/{uuid.uuid4().hex}?{parameters}"


def new_database():
    name = f"m{uuid.uuid4().hex}"
    POSTGRES.make_database(name)
    return urlunsplit(urlsplit(POSTGRES.url)._replace(path=f"/{name}"))


class Place:
    """Where a registry is: URLs for what is not in files of the data directory."""

    def __init__(self, folder, store="files", catalog="sqlite"):
        self.folder = folder
        self.data = folder / "data"
        self.store = new_prefix() if store == "bucket" else ""
        self.catalog = new_database() if catalog == "postgres" else ""

    def flags(self):
        named = {"--data": self.data, "--store": self.store, "--catalog": self.catalog}
        return [word for flag, value in named.items() if value for word in (flag, value)]

    def slipway(self, *words, code=0, timeout=120):
        """Runs a command; the exit code is checked, and its JSON returned where there is some."""
        done = run_slipway(*words, folder=self.folder, timeout=timeout)
        if done.returncode != code:
            raise AssertionError(f"{' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout) if "--json" in words and done.stdout else done.stdout + done.stderr


class MovingTest(ServerTest):
    def place(self, store="files", catalog="sqlite"):
        return Place(self.folder(), store, catalog)

    def run_at(self, place, config=""):
        """A server at a place."""
        keys = {"store.url": place.store, "catalog.url": place.catalog, "store.redirect": "never" if place.store else ""}
        text = "".join(f'{key} = "{value}"\n' for key, value in keys.items() if value)
        server = Server(place.folder, text + config)
        self._servers.append(server)
        return self.enterContext(server)

    def fill(self, server, seed=0):
        """Content of every kind; returns what to ask for, and what is to come."""
        blobs = [os.urandom(9 * MIB), os.urandom(300_000), b"small %d" % seed, b"tiny %d" % seed]
        wanted = {f"/v2/app/blobs/{server.push_blob('app', blob)}": blob for blob in blobs}
        content = server.push_image("app", f"v{seed}", f"image {seed}")
        wanted[f"/v2/app/manifests/v{seed}"] = wanted[f"/v2/app/manifests/{digest_of(content)}"] = content
        self.assertStatus(server.request("PUT", f"/cas/c/k{seed}", body=b"entry"), 201)
        wanted[f"/cas/c/k{seed}"] = b"entry"
        return wanted

    def assertHolds(self, server, wanted):
        for path, body in wanted.items():
            answer = server.request("GET", path, [("Accept", MANIFEST)])
            self.assertEqual((path, answer.status), (path, 200))
            self.assertEqual(answer.body, body, path)

    def assertSound(self, place):
        """A stopped registry: its bytes are right, its files all known, and its journal makes the same catalog."""
        self.assertEqual(place.slipway("store", "verify", *place.flags(), "--json")["damaged_blobs"], 0)
        self.assertIn("; 0 files", place.slipway("doctor", "--deep", *place.flags()))
        self.assertEqual(place.slipway("rebuild", "--check", *place.flags(), "--json")["differences"], [])

    def assertRefused(self, place, *words, saying):
        self.assertIn(saying, place.slipway(*words, code=1))

    def kill_during(self, place, words, is_far_enough):
        """Kills a command in its middle."""
        process = subprocess.Popen([os.environ["SLIPWAY_BIN"], *map(str, words)], env=environment(place.folder),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=place.folder)
        try:
            eventually(lambda: is_far_enough() or process.poll() is not None, "the middle of it")
        finally:
            process.kill()
            _, problem = process.communicate()
        self.assertEqual(process.returncode, -signal.SIGKILL, problem)


class StoreCopyTest(MovingTest):
    def move(self, catalog, begin, target):
        """Moves the store of a registry while it is written to; returns its place from then on."""
        place = self.place(begin, catalog)
        server = self.run_at(place)
        wanted = self.fill(server, 1)
        copy = ["store", "copy", "--to", target, *place.flags(), "--json"]

        stop, count = threading.Event(), [10]

        def work():
            while not stop.wait(0.1):
                count[0] += 1
                wanted.update(self.fill(server, count[0]))

        worker = threading.Thread(target=work)
        worker.start()
        try:
            reports = [place.slipway(*copy) for _ in range(2)]
        finally:
            stop.set()
            worker.join()
        self.assertEqual([(report["damaged_blobs"], report["finished"]) for report in reports], [(0, False)] * 2)
        self.assertGreater(reports[0]["copied_bytes"], 9 * MIB)
        server.begin_upload("app")
        server.stop()
        report = place.slipway(*copy, "--finish")
        self.assertEqual((report["damaged_blobs"], report["finished"]), (0, True))
        self.assertLess(report["copied_objects"], report["blobs"])

        moved = self.place()
        moved.folder, moved.data, moved.catalog = place.folder, place.data, place.catalog
        moved.store = target if "://" in str(target) else ""
        server = self.run_at(moved)
        self.assertHolds(server, wanted)
        self.assertEqual(server.status()["uploads"], 0)
        wanted.update(self.fill(server, 2))
        server.stop()
        self.assertSound(moved)
        return place, moved, wanted

    def test_there_and_back(self):
        for catalog in CATALOGS:
            with self.subTest(catalog=catalog):
                place, moved, wanted = self.move(catalog, "files", new_prefix())
                # What it was copied from has nothing to do with the catalog any more.
                shown = run_slipway("serve", *place.flags(), "--listen", "127.0.0.1:0", folder=place.folder)
                self.assertEqual(shown.returncode, 1)
                self.assertIn("belongs to store", shown.stderr)
                shutil.rmtree(place.data / "store")
                place.slipway("store", "copy", "--to", place.data, *moved.flags(), "--finish")
                server = self.run_at(place)
                self.assertHolds(server, wanted)
                server.stop()
                self.assertSound(place)

    def test_from_a_bucket_to_another(self):
        self.move("postgres", "bucket", new_prefix())

    def test_a_killed_copy_goes_on(self):
        place = self.place()
        server = self.run_at(place)
        blobs = [os.urandom(MIB) for _ in range(16)]
        for blob in blobs:
            server.push_blob("app", blob)
        target = new_prefix()
        copy = ["store", "copy", "--to", target, *place.flags(), "--json"]
        self.kill_during(place, [*copy, "--rate", "4MiB", "--jobs", "2"],
                         lambda: len(Prefix(target).objects("raw/")) >= 4)
        there = len(Prefix(target).objects("raw/"))
        report = place.slipway(*copy)
        self.assertEqual(report["copied_objects"], len(blobs) - there)
        self.assertEqual(Prefix(target).multiparts(), [])
        self.assertEqual(place.slipway(*copy)["copied_bytes"], 0)
        server.stop()
        place.slipway(*copy, "--finish")
        self.assertRefused(place, *copy, "--finish", saying="holds a store already")

    def test_nothing_is_finished_beside_a_server(self):
        for catalog in CATALOGS:
            with self.subTest(catalog=catalog):
                place = self.place("files", catalog)
                server = self.run_at(place)
                wanted = self.fill(server)
                copy = ["store", "copy", "--to", new_prefix(), *place.flags()]
                self.assertRefused(place, *copy, "--finish", saying="in use")
                self.assertHolds(server, wanted)
                server.kill()
                self.assertIn("Next: slipway serve", place.slipway(*copy, "--finish"))

    def in_the_background(self, place, *words):
        process = subprocess.Popen([os.environ["SLIPWAY_BIN"], *map(str, words)], env=environment(place.folder),
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=place.folder)
        self.addCleanup(process.kill)
        return process

    def test_a_server_that_comes_while_it_is_finished_is_noticed(self):
        for goes in (False, True):
            with self.subTest(goes=goes):
                place = self.place("files", "postgres")
                server = self.run_at(place)
                wanted = self.fill(server)
                server.stop()
                target = new_prefix()
                copy = ["store", "copy", "--to", target, *place.flags(), "--finish"]
                process = self.in_the_background(place, *copy, "--rate", "2MiB")
                eventually(lambda: Prefix(target).objects("copy.id"), "its beginning")
                server = self.run_at(place)
                wanted.update(self.fill(server, 1))
                if goes:
                    server.stop()
                told, _ = process.communicate(timeout=120)
                self.assertEqual(process.returncode, 1, told)
                self.assertIn("a server began to use the catalog", told)
                if not goes:
                    self.assertHolds(server, wanted)
                    server.stop()
                place.slipway(*copy)
                place.store = target
                self.assertHolds(self.run_at(place), wanted)

    def test_a_server_ends_whose_catalog_has_gone_on_with_another_store(self):
        place = self.place("bucket", "postgres")
        server = self.run_at(place)
        self.fill(server)
        done = subprocess.run(["psql", "-X", place.catalog, "-c", "UPDATE setting SET value = 'another' WHERE name = "
                               "'store_id'"], capture_output=True, text=True, check=False)
        self.assertIn("UPDATE 1", done.stdout)
        self.assertEqual(server.process.wait(30), 1)
        self.assertIn("belongs to store another", server.read_log())
        server.kill()

    def test_one_copy_at_a_time_of_files(self):
        place = self.place()
        server = self.run_at(place)
        self.fill(server)
        target = new_prefix()
        words = ["store", "copy", *place.flags(), "--to"]
        process = self.in_the_background(place, *words, target, "--rate", "4MiB")
        eventually(lambda: Prefix(target).objects("copy.id"), "its beginning")
        self.assertRefused(place, *words, new_prefix(), saying="is being copied from, or to")
        self.assertEqual(process.wait(60), 0)
        process.stdout.close()
        place.slipway(*words, target)

    def test_uploads_to_a_store_that_is_named_by_mistake_go_on(self):
        place, other = self.place("bucket"), self.place()
        server = self.run_at(place)
        self.fill(server)
        self.run_at(other).stop()
        half = os.urandom(20 * MIB)
        session = server.begin_upload("app")
        session = server.request("PATCH", session, body=half)["Location"]
        self.assertRefused(other, "store", "copy", *other.flags(), "--to", place.store, saying="holds a store already")
        answer = server.request("PUT", f"{session}?digest={digest_of(half + b'end')}", body=b"end")
        self.assertEqual(answer.status, 201, answer)
        self.assertHolds(server, {f"/v2/app/blobs/{digest_of(half + b'end')}": half + b"end"})

    def test_nothing_is_made_where_only_something_is_looked_for(self):
        place = self.place()
        self.run_at(place).stop()
        prefix = new_prefix()
        self.assertRefused(place, "store", "verify", "--data", place.data, "--store", prefix, saying="there is nothing at")
        self.assertEqual(Prefix(prefix).objects(), {})

    def test_what_is_damaged_is_told_of_and_healed_by_a_push(self):
        place = self.place()
        server = self.run_at(place)
        large, small = os.urandom(500_000), b"small"
        for blob in (large, small, b"well"):
            server.push_blob("app", blob)
        for file in server.store_files():
            content = file.read_bytes()
            file.chmod(0o600)
            file.write_bytes(content.replace(small, b"SMALL") if small in content else content[:-1] + b"\0")
        server.stop()
        for words in (["store", "verify"], ["store", "copy", "--to", (target := new_prefix()), "--finish"]):
            told = place.slipway(*words, *place.flags(), code=1)
            for blob in (large, small):
                self.assertIn(f"lost or damaged: {digest_of(blob)}", told)
            self.assertNotIn(digest_of(b"well"), told)
        place.store = target
        server = self.run_at(place)
        self.assertEqual(server.request("GET", f"/v2/app/blobs/{digest_of(b'well')}").body, b"well")
        self.assertStatus(server.request("GET", f"/v2/app/blobs/{digest_of(large)}"), 404)
        server.push_blob("app", large)
        self.assertHolds(server, {f"/v2/app/blobs/{digest_of(large)}": large})

    def test_what_a_later_look_finds_right_is_taken(self):
        place = self.place()
        server = self.run_at(place)
        server.push_blob("app", b"a small one")
        [pack] = server.store_files("packs")
        content = pack.read_bytes()
        pack.chmod(0o600)
        pack.write_bytes(content.replace(b"a small", b"A SMALL"))
        target = new_prefix()
        copy = ["store", "copy", "--to", target, *place.flags()]
        self.assertIn(digest_of(b"a small one"), place.slipway(*copy, code=1))
        pack.write_bytes(content)
        place.slipway(*copy)
        [name] = Prefix(target).objects("packs/")
        self.assertEqual(Prefix(target).get(name), content)

    def test_wrong_places(self):
        place, other = self.place(), self.place("bucket")
        for where in (place, other):
            self.run_at(where).stop()
        copy = ["store", "copy", *place.flags(), "--to"]
        self.assertRefused(place, *copy, other.store, saying="holds a store already")
        self.assertRefused(place, *copy, place.data, saying="holds a store already")
        elsewhere = self.folder()
        self.assertRefused(place, *copy, elsewhere, saying="serves only files in its own directory")
        target = new_prefix()
        Prefix(target).put("something", b"else")
        self.assertRefused(place, *copy, target, saying="not empty")
        target = new_prefix()
        place.slipway(*copy, target)
        self.assertRefused(other, "store", "copy", *other.flags(), "--to", target, saying="is being made a copy of")
        self.assertRefused(place, "serve", "--listen", "127.0.0.1:0", "--data", place.folder / "new", "--store", target,
                           saying="not finished")
        self.assertRefused(place, "store", "verify", "--data", place.data, "--store", other.store,
                           saying="belongs to another store")
        self.assertRefused(place, "store", "verify", "--data", self.folder(), saying="is not there")
        for words in ([], ["--to", target, "--rate", "fast"], ["--to", target, "--jobs", "0"]):
            self.assertEqual(run_slipway("store", "copy", *words, folder=place.folder).returncode, 2)


class CatalogCopyTest(MovingTest):
    def copy(self, place, to, *more, code=0):
        return place.slipway("catalog", "copy", *place.flags(), "--to", to, *more, code=code)

    def test_there_and_back(self):
        for store in STORES:
            with self.subTest(store=store):
                place = self.place(store)
                server = self.run_at(place)
                wanted = self.fill(server)
                half = os.urandom(6 * MIB)
                session = server.begin_upload("app")
                session = server.request("PATCH", session, body=half)["Location"]
                database = new_database()
                self.assertIn("in use", self.copy(place, database, code=1))
                server.stop()
                report = self.copy(place, database, "--json")
                self.assertEqual(report["uploads"], 1)
                self.assertIn("was copied to database", place.slipway("serve", *place.flags(), code=1))

                place.catalog = database
                server = self.run_at(place)
                self.assertHolds(server, wanted)
                answer = server.request("PUT", f"{session}?digest={digest_of(half + b'end')}", body=b"end")
                self.assertEqual(answer.status, 201, answer)
                wanted[f"/v2/app/blobs/{digest_of(half + b'end')}"] = half + b"end"
                wanted.update(self.fill(server, 2))
                server.stop()
                self.assertSound(place)

                self.assertIn("catalog.sqlite is there", self.copy(place, place.data, code=1))
                for file in place.data.glob("catalog.sqlite*"):
                    file.unlink()
                self.copy(place, place.data)
                database, place.catalog = place.catalog, ""
                server = self.run_at(place)
                self.assertHolds(server, wanted)
                wanted.update(self.fill(server, 3))
                server.stop()
                self.assertSound(place)
                place.catalog = database
                self.assertIn("was copied to", place.slipway("serve", *place.flags(), code=1))

    def test_a_source_that_is_kept(self):
        place = self.place()
        server = self.run_at(place)
        wanted = self.fill(server)
        server.stop()
        self.copy(place, new_database(), "--keep-source")
        self.assertHolds(self.run_at(place), wanted)

    def test_a_killed_copy_goes_on(self):
        place = self.place()
        server = self.run_at(place)
        for number in range(300):
            self.assertStatus(server.request("PUT", f"/cas/c/{number}", body=b"%d" % number), 201)
        server.stop()
        database = new_database()

        def has_begun():
            asked = subprocess.run(["psql", "-X", "-A", "-t", database, "-c", "SELECT version FROM migration"],
                                   capture_output=True, text=True, check=False)
            return asked.stdout.startswith("0")

        words = ["catalog", "copy", *place.flags(), "--to", database]
        self.kill_during(place, words, has_begun)
        unfinished = Place(place.folder)
        unfinished.catalog = database
        self.assertIn("did not come to its end", unfinished.slipway("serve", *unfinished.flags(), code=1))
        place.slipway(*words)
        server = self.run_at(unfinished)
        self.assertHolds(server, {f"/cas/c/{number}": b"%d" % number for number in range(300)})

    def test_only_an_empty_database_is_filled(self):
        place, other = self.place(), self.place("files", "postgres")
        for where in (place, other):
            self.run_at(where).stop()
        self.assertIn("there is a catalog in the database already", self.copy(place, other.catalog, code=1))
        self.assertIn("name another place", self.copy(place, place.data, code=1))
        self.assertIn("beside which its catalog has to be", self.copy(place, self.folder(), code=1))
        self.run_at(place)


class BackupTest(MovingTest):
    def test_every_pair_is_backed_up_and_restored(self):
        places = [self.place(store, catalog) for store in STORES for catalog in CATALOGS]
        wanted, backup = {}, None
        for number, place in enumerate([*places, self.place()]):
            if backup:  # of the one before
                place.slipway("restore", backup, *place.flags())
            server = self.run_at(place)
            self.assertHolds(server, wanted)
            wanted.update(self.fill(server, number))
            server.begin_upload("app")
            backup = place.folder / "backup"
            report = place.slipway("backup", backup, *place.flags(), "--json")
            self.assertEqual(report["damaged_blobs"], 0)
            self.fill(server, number + 100)
            report = place.slipway("backup", backup, *place.flags(), "--json")
            self.assertLess(report["copied_bytes"], 11 * MIB)
            for kind in ("blobs", "manifests"):
                wanted |= {path: body for path, body in wanted.items() if f"/{kind}/" in path}
            server.stop()
            self.assertSound(place)

    def test_a_backup_beside_pushes(self):
        place = self.place("bucket", "postgres")
        server = self.run_at(place)
        wanted = self.fill(server)
        stop, count = threading.Event(), [10]

        def work():
            while not stop.wait(0.1):
                count[0] += 1
                self.fill(server, count[0])

        worker = threading.Thread(target=work)
        worker.start()
        try:
            place.slipway("backup", place.folder / "backup", *place.flags())
        finally:
            stop.set()
            worker.join()
        server.stop()
        restored = self.place("bucket", "postgres")
        restored.slipway("restore", place.folder / "backup", *restored.flags())
        server = self.run_at(restored)
        self.assertHolds(server, wanted)
        server.stop()
        self.assertSound(restored)

    def test_a_killed_restore_goes_on(self):
        place = self.place()
        server = self.run_at(place)
        for _ in range(16):
            server.push_blob("app", os.urandom(MIB))
        wanted = self.fill(server)
        backup = place.folder / "backup"
        place.slipway("backup", backup, *place.flags())
        for store, catalog in (("files", "sqlite"), ("bucket", "postgres")):
            with self.subTest(store=store, catalog=catalog):
                new = self.place(store, catalog)
                words = ["restore", backup, *new.flags(), "--json"]
                there = (lambda: Prefix(new.store).objects("raw/")) if new.store else (
                    lambda: [path for path in (new.data / "store/raw").rglob("*") if path.is_file()])
                self.kill_during(new, words, lambda: len(there()) >= 2)
                self.assertIn("not finished", new.slipway("serve", *new.flags(), code=1))
                count = len(there())
                report = new.slipway(*words)
                self.assertLessEqual(report["copied_files"], 19 - count)
                server = self.run_at(new)
                self.assertHolds(server, wanted)
                server.stop()
                self.assertSound(new)

    def test_nothing_is_restored_over_what_is_there(self):
        place, other = self.place(), self.place("bucket", "postgres")
        for where in (place, other):
            self.run_at(where).stop()
        place.slipway("backup", place.folder / "backup", *place.flags())
        new = self.place("bucket", "postgres")
        for taken in ("store", "catalog"):
            mixed = self.place("bucket", "postgres")
            setattr(mixed, taken, getattr(other, taken))
            told = mixed.slipway("restore", place.folder / "backup", *mixed.flags(), code=1)
            self.assertIn("already", told)
        new.slipway("restore", place.folder / "backup", *new.flags())
        self.run_at(new)


class RebuildTest(MovingTest):
    def test_a_lost_catalog_of_every_pair(self):
        for store in STORES:
            for lost, new in (("sqlite", "postgres"), ("postgres", "postgres"), ("postgres", "sqlite")):
                with self.subTest(store=store, lost=lost, new=new):
                    place = self.place(store, lost)
                    server = self.run_at(place)
                    wanted = self.fill(server)
                    server.request("DELETE", "/v2/app/manifests/v0")
                    wanted = {path: body for path, body in wanted.items() if "/manifests/" not in path}
                    server.stop()
                    before = dict(place.__dict__)
                    place.catalog = new_database() if new == "postgres" else ""
                    for file in place.data.glob("catalog.sqlite*"):
                        file.unlink()
                    told = place.slipway("rebuild", "--deep", *place.flags())
                    self.assertIn("Next: slipway serve", told)
                    if before["catalog"]:  # they are equal to each other
                        place.catalog, kept = before["catalog"], place.catalog
                        self.assertEqual(place.slipway("rebuild", "--check", *place.flags(), "--json")["differences"], [])
                        place.catalog = kept
                    server = self.run_at(place)
                    self.assertHolds(server, wanted)
                    server.stop()
                    self.assertSound(place)

    def test_a_database_in_use_is_left(self):
        place = self.place("bucket", "postgres")
        server = self.run_at(place)
        wanted = self.fill(server)
        other = Place(place.folder)
        other.store, other.catalog, other.data = place.store, place.catalog, place.folder / "other"
        self.assertIn("there is a catalog in the database already", other.slipway("rebuild", *other.flags(), code=1))
        self.assertHolds(server, wanted)


if __name__ == "__main__":
    unittest.main()
