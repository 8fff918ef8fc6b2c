"""A real site, the documentation of a Debian package (5,303 files), changed, staged, promoted and rolled back while readers
follow its pages as browsers do. With SLIPWAY_TEST_STORE and SLIPWAY_TEST_POSTGRES two servers serve it.

The package is downloaded once, by apt-get as anybody may, and kept in ~/.cache/slipway/packages; where it cannot be had the
test is skipped, and says why; under CI that is a failure.
"""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import posixpath
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse
from pathlib import Path

from slipway_server import (TEST_CATALOG, TEST_STORE, Connection, ServerTest, catalog_of, eventually, run_slipway,
                            store_of)

PACKAGE, INSIDE = "wx3.2-doc", "usr/share/doc/wx3.2-doc/html"  # made by Doxygen: a page names some 15 other files
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway" / "packages"
COUNT = 2 if TEST_STORE and TEST_CATALOG else 1
READERS, ROUNDS = 4, 6
PAGES = 8  # that each reads after a move, at least; two, for one that was begun after it
LONG = 240  # seconds that a command may take, in a sanitizer's build
NAMED = re.compile(rb'<(?:link|script|img)\b[^>]*?\b(?:href|src)="([^"]+)"', re.IGNORECASE)


def package_file():
    """The package's path; unittest.SkipTest where it cannot be had."""
    CACHE.mkdir(parents=True, exist_ok=True)
    if not (found := sorted(CACHE.glob(f"{PACKAGE}_*.deb"))):
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise unittest.SkipTest("there is no apt-get, or no dpkg-deb")
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            as_root = ["-o", "APT::Sandbox::User=root"] if os.getuid() == 0 else []

            def apt_get(*what):
                return subprocess.run(["apt-get", *as_root, "-q", *what], cwd=folder, stdin=subprocess.DEVNULL,
                                      capture_output=True, text=True, timeout=LONG, check=False)

            done = apt_get("download", PACKAGE)
            if done.returncode != 0 and as_root and apt_get("update").returncode == 0:  # it knew of no packages, or old ones
                done = apt_get("download", PACKAGE)
            fetched = list(Path(folder).glob("*.deb"))
            if done.returncode != 0 or not fetched:
                raise unittest.SkipTest(f"apt-get cannot download {PACKAGE}: {done.stderr.strip()[-300:]}")
            fetched[0].replace(CACHE / fetched[0].name)
        found = sorted(CACHE.glob(f"{PACKAGE}_*.deb"))
    return found[-1]


def unpacked(folder):
    subprocess.run(["dpkg-deb", "-x", package_file(), folder], check=True)
    return folder / INSIDE


def sum_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def sums(folder):
    """{path: digest} of all files below it."""
    return {str(path.relative_to(folder)): sum_of(path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def named_by(page, content):
    """The files that a page names, of this site."""
    for link in NAMED.findall(content):
        link = urllib.parse.urlsplit(link.decode())
        if not link.scheme and not link.netloc and link.path:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), urllib.parse.unquote(link.path)))
            if not path.startswith(".."):
                yield path


class Channel:
    """What the channel has pointed at, move by move, and which files each snapshot has. One thread writes, all read."""

    def __init__(self):
        self.moves, self.done = [], 0  # `done` of the moves are acknowledged; None: its snapshot will be known soon
        self.versions = {}  # {snapshot: {path: digest}}

    @contextlib.contextmanager
    def moving(self, snapshot=None):
        self.moves.append(snapshot)
        yield
        self.done = len(self.moves)

    def knows(self, snapshot, files):
        """Called within moving()."""
        self.moves[-1] = snapshot
        self.versions[snapshot] = files


class Reader(threading.Thread):
    """Reads a page, the files that it names, and those once more from the page's own snapshot, until stop(). It keeps
    what it has and asks whether that still holds, every other time. `servers` are asked by turns."""

    def __init__(self, number, servers, channel, pages):
        super().__init__(name=f"reader {number}", daemon=True)
        self.servers, self.channel, self.pages = servers, channel, pages
        self.source = random.Random(number)
        self.at = 0  # the earliest move that explains what it has seen
        self.cache = {}  # {path: (ETag, digest)}
        self.page_count = self.answers = self.confirmed = self.absent = self.turn = 0
        self.problems, self.places = [], set()
        self.failed, self.is_stopped = None, threading.Event()

    def run(self):
        try:
            with contextlib.ExitStack() as stack:
                self.connections = [stack.enter_context(Connection(server)) for server in self.servers]
                while not self.is_stopped.is_set() and len(self.problems) < 5:
                    self.read_page(self.source.choice(self.pages))
                    self.page_count += 1
        except BaseException as error:  # the test shows it
            self.failed = error

    def stop(self):
        self.is_stopped.set()

    def get(self, path, pin="", headers=()):
        self.turn += 1
        self.answers += 1
        target = f"/site/{pin and f'@{pin}/'}{urllib.parse.quote(path)}"
        return self.connections[self.turn % len(self.connections)].request("GET", target, headers)

    def wrong(self, what, path, answer):
        self.problems.append(f"{self.name}: {what}: {path}: {answer.status} {answer.fields} {answer.body[:60]!r}")

    def read_page(self, page):
        snapshot, content = self.follow(page)
        if content is None:
            return
        for path in sorted(set(named_by(page, content))):
            self.follow(path)
            answer = self.get(path, pin=snapshot)
            if answer["X-Slipway-Snapshot"] != snapshot:
                self.wrong(f"not of {snapshot}", path, answer)
            self.check(path, answer, snapshot)

    def follow(self, path):
        """What the channel has there; returns the snapshot and, where the file itself was sent, its bytes."""
        done = self.channel.done
        kept = self.cache.get(path) if self.source.random() < 0.5 else None
        answer = self.get(path, headers=[("If-None-Match", kept[0])] if kept else ())
        begun = len(self.channel.moves)
        snapshot = answer["X-Slipway-Snapshot"]
        if not snapshot:
            self.wrong("no snapshot", path, answer)
            return None, None
        eventually(lambda: snapshot in self.channel.versions, f"the publisher's hearing of {snapshot}", LONG)
        # What was acknowledged before it was asked has happened, and nothing that this reader has seen is undone but by
        # a later move. The first move that fits leaves most room for what comes.
        first = max(self.at, done - 1)
        at = next((at for at in range(first, begun) if self.channel.moves[at] == snapshot), None)
        if at is None:
            seen = [number for number, moved in enumerate(self.channel.moves) if moved == snapshot]
            self.wrong(f"this was so after moves {seen}, seen is {self.at}, done are {done} and begun {begun}", path, answer)
        else:
            self.at = at
            self.places.add(at)
        content = self.check(path, answer, snapshot, kept)
        if content is not None and answer["ETag"]:
            self.cache[path] = answer["ETag"], sum_of(content)
        return snapshot, content

    def check(self, path, answer, snapshot, kept=None):
        """That the answer is what the snapshot has; returns the file's bytes if it was sent."""
        wanted = self.channel.versions[snapshot].get(path)
        if wanted is None:
            self.absent += 1
            if answer.status != 404:
                self.wrong("not there in this snapshot", path, answer)
        elif answer.status == 304 and kept:
            self.confirmed += 1
            if kept[1] != wanted:
                self.wrong(f"what was kept has {kept[1]}, the snapshot {wanted}", path, answer)
        elif (answer.status, sum_of(answer.body), answer["ETag"]) != (200, wanted, f'"{wanted}"'):
            self.wrong(f"the snapshot has {wanted}, sent was {sum_of(answer.body)}", path, answer)
        else:
            return answer.body
        return None


class RealSiteTest(ServerTest):
    def serve_all(self):
        """The servers; all on one bucket and one database where there are two."""
        if COUNT == 1:
            return [self.serve()]
        place = self.folder()
        config = f'store.url = "{store_of(place)}"\nstore.redirect = "never"\ncatalog.url = "{catalog_of(place)}"\n'
        return [self.serve(config) for _ in range(COUNT)]

    def command(self, *arguments):
        """Runs one, each with another server."""
        self.turn += 1
        server = self.servers[self.turn % COUNT]
        begin = time.monotonic()
        done = run_slipway(*arguments, "--json", folder=server.folder, env={"SLIPWAY_SERVER": server.url}, timeout=LONG)
        said = [line for line in done.stderr.splitlines() if not line.startswith("publishing: ")]  # where it takes long
        self.assertEqual((done.returncode, said), (0, []), done)
        self.seconds.setdefault(arguments[0], []).append(round(time.monotonic() - begin, 2))
        return json.loads(done.stdout)

    def publish(self, place):
        return self.command("publish", self.site, place)

    def change(self, number, files):
        """Some 50 of the files that readers ask for: changed, removed, new. Returns what there is then."""
        touched = {*self.source.sample(self.pages, 40), *self.source.sample(self.assets, 8)}
        for path in sorted(touched):
            file = self.site / path
            if path == f"new/{number - 1}.html" and file.exists():
                file.unlink()
            else:
                file.parent.mkdir(exist_ok=True)
                content = file.read_bytes() if file.exists() else b'<link href="../doxygen.css">'
                # As long as before, from the second time on.
                file.write_bytes(re.sub(rb"\n/\* version \d{3} \*/\n$", b"", content) + b"\n/* version %03d */\n" % number)
        new, gone = f"new/{number}.html", self.source.choice(self.pages)
        (self.site / new).write_bytes(b'<script src="../jquery.js"></script> version %d' % number)
        (self.site / gone).unlink(missing_ok=True)
        files = {path: digest for path, digest in files.items() if path not in touched | {new, gone}}
        return files | {path: sum_of((self.site / path).read_bytes()) for path in touched | {new, gone}
                        if (self.site / path).exists()}

    def let_them_read(self):
        """Until each has read some pages, and the files that these name."""
        before = [reader.page_count for reader in self.readers]
        eventually(lambda: all(reader.page_count >= count + PAGES or reader.failed or reader.problems
                               for reader, count in zip(self.readers, before)), "the readers' next pages", LONG)

    def check_readers(self):
        for reader in self.readers:
            if reader.failed:
                raise reader.failed
        self.assertEqual([problem for reader in self.readers for problem in reader.problems], [])

    def move(self, snapshot, files, *arguments):
        """One move of the channel, that makes it point there; with no snapshot it is not known beforehand."""
        with self.channel.moving(snapshot):
            moved = self.command(*arguments)
            self.assertTrue(moved["moved"], moved)
            self.channel.knows(moved["digest"], files)
        if snapshot:
            self.assertEqual(moved["digest"], snapshot)
        self.let_them_read()
        self.check_readers()
        return moved

    def test_readers_follow_a_site_that_moves(self):
        try:
            self.site = unpacked(self.folder())
        except unittest.SkipTest as reason:
            if os.environ.get("CI"):
                self.fail(f"{reason}, and CI has to run this")
            print(f"SKIP: {reason}")
            raise
        self.servers, self.turn, self.channel, self.readers = self.serve_all(), 0, Channel(), []
        self.seconds = {}  # that each command took
        self.source = random.Random(5)
        first_files = files = sums(self.site)
        self.assertGreater(len(files), 5000)
        html = sorted(path for path in files if path.endswith(".html"))
        self.pages = ["index.html", *self.source.sample(html, 120), *(f"new/{number}.html" for number in range(ROUNDS))]
        self.assets = sorted({path for page in self.pages if page in files
                              for path in named_by(page, (self.site / page).read_bytes())} & set(files))
        self.assertGreater(len(self.assets), 15)
        (self.site / "new").mkdir()
        first = self.move(None, files, "publish", self.site, "site")
        self.assertEqual((first["files"], first["from"]), (len(files), None))
        # Some ask each server by turns, some always the same one.
        kinds = [self.servers, self.servers[:1], self.servers[::-1], self.servers[-1:]]
        self.readers = [Reader(number, kinds[number % len(kinds)], self.channel, self.pages) for number in range(READERS)]
        for reader in self.readers:
            reader.start()
        try:
            sent, now = self.publish_promote_and_roll_back(first["digest"], files)
        finally:
            for reader in self.readers:
                reader.stop()
            for reader in self.readers:
                reader.join(LONG)
        self.check_readers()
        self.assertFalse([reader for reader in self.readers if reader.is_alive()])
        for reader in self.readers:  # after each move it has looked
            self.assertLessEqual(set(range(1, len(self.channel.moves))), reader.places | {0}, reader.name)
        self.assertGreater(min(reader.confirmed for reader in self.readers), 0)
        self.assertGreater(sum(reader.absent for reader in self.readers), 0)
        self.check_history()
        self.check_everything(first["digest"], first_files, now)
        total = lambda what: sum(getattr(reader, what) for reader in self.readers)
        print(f"{COUNT} servers, {len(files)} files, {len(self.channel.moves)} moves; {total('page_count')} pages in "
              f"{total('answers')} answers, {total('confirmed')} of them 304, {total('absent')} 404; objects sent: "
              f"{first['sent_objects']}, then {sent}; seconds: {self.seconds}")

    def publish_promote_and_roll_back(self, live, files):
        sent = []
        for number in range(ROUNDS):
            changed = self.change(number, files)
            different = {path for path in changed.keys() | files.keys() if changed.get(path) != files.get(path)}
            self.assertGreater(len(different), 40)
            if number % 3 == 2:  # without staging
                staged = self.move(None, changed, "publish", self.site, "site")
                self.assertEqual(staged["from"], live)
            else:
                staged = self.publish("site@staging")
                self.move(staged["digest"], changed, "promote", "site", "staging", "live")
            # The files, and for each its shard and listing at most, and the index.
            self.assertLess(staged["sent_objects"], 3 * len(different) + 2)
            sent.append(staged["sent_objects"])
            if number % 2 == 0:
                self.move(live, files, "rollback", "site")
                self.move(staged["digest"], changed, "rollback", "site", "live", "--to", staged["digest"])
            else:
                self.move(live, files, "rollback", "site", "live", "--to", live)
                if number % 3 == 2:
                    self.assertTrue(self.publish_again(staged["digest"], changed)["moved"])
                else:
                    self.move(staged["digest"], changed, "promote", "site", "staging", "live")
            live, files = staged["digest"], changed
        return sent, live

    def publish_again(self, snapshot, files):
        """What the server has already."""
        moved = self.move(snapshot, files, "publish", self.site, "site")
        self.assertEqual(moved["sent_objects"], 1)  # the index, which is put under the tag
        return moved

    def check_history(self):
        history = self.command("tree", "history", "site")["history"]
        self.assertEqual([move["digest"] for move in reversed(history)], self.channel.moves)
        self.assertEqual([move["from"] for move in reversed(history)], [None, *self.channel.moves[:-1]])

    @staticmethod
    def wrong_files(server, snapshot, files):
        """Those that the server does not have as they should be in its channel's snapshot."""
        wrong = []
        with Connection(server) as connection:
            for path, digest in files.items():
                answer = connection.request("GET", "/site/" + urllib.parse.quote(path))
                if (answer.status, answer["X-Slipway-Snapshot"], sum_of(answer.body)) != (200, snapshot, digest):
                    wrong.append((path, digest, answer.status, answer.fields))
        return wrong

    def check_everything(self, first, first_files, last):
        """Every file of the last snapshot by each server, and those that changed since the first."""
        files = self.channel.versions[last]
        self.assertEqual(sums(self.site), files)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for wrong in pool.map(lambda server: self.wrong_files(server, last, files), self.servers):
                self.assertEqual(wrong, [])
        differences = self.command("tree", "diff", f"site@{first}", "live")["differences"]
        self.assertEqual({difference["path"] for difference in differences},
                         {path for path in files.keys() | first_files.keys() if files.get(path) != first_files.get(path)})
        copy = self.folder() / "copy"
        self.command("tree", "get", "site", copy)
        self.assertEqual(sums(copy), files)


if __name__ == "__main__":
    unittest.main()
