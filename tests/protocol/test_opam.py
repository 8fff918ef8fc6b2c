"""Opam repositories that the real server makes of git repositories; clients/opam.sh has the real client."""

import base64
import gzip
import hashlib
import random
import re
import subprocess
import threading
import time
import unittest
from pathlib import Path

from git_repository import GitRepository, files_of
from slipway_server import Connection, ServerTest, eventually, run_slipway

BUNDLE = Path(__file__).resolve().parents[3] / "shared/fixtures/opam/opam-repository-last50.bundle"


def opam_file(synopsis):
    return f'opam-version: "2.0"\nsynopsis: "{synopsis}"\n'


class OpamCase(ServerTest):
    def serve_opam(self, git, poll="50ms"):
        return self.serve(f'[opam]\nrepositories = ["opam {git.folder}"]\npoll = "{poll}"\n')

    def source(self, **options):
        return GitRepository(self.folder() / "source", **options)

    def wait_for(self, server, commit):
        """Until it is published; its index, which is checked, as {path: content}."""
        stamp = f'stamp: "{commit}"'.encode()
        eventually(lambda: stamp in server.request("GET", "/opam/repo").body, f"publishing {commit}")
        return self.index(server)

    def index(self, server):
        answer = server.request("GET", "/opam/index.tar.gz")
        self.assertStatus(answer, 200)
        self.assertEqual(answer.body[:4], b"\x1f\x8b\x08\x00")
        return files_of(gzip.decompress(answer.body))

    def assertIsCommit(self, git, commit, files):
        """The index of a commit: what git has, and a `repo` with ours."""
        expected = git.files(commit, *(path for path in ("packages", "repo", "version") if (git.folder / path).exists()))
        repo = expected.pop("repo", b"")
        files = dict(files)
        self.assertEqual(files.pop("repo"), repo + f'archive-mirrors: "cache"\nstamp: "{commit}"\n'.encode())
        self.assertEqual(files, expected)


class OpamTest(OpamCase):
    def test_a_commit_is_live_at_once(self):
        git = self.source()
        git.write("repo", 'opam-version: "2.0"\n')
        git.write("version", "0.9.0\n")
        git.write("README.md", "of the git repository alone")
        git.write("packages/a/a.1/opam", opam_file("one"))
        git.write(f"packages/{'n' * 70}/{'n' * 70}.1/opam", opam_file("long"))
        first = git.commit()
        server = self.serve_opam(git)
        files = self.wait_for(server, first)
        self.assertIsCommit(git, first, files)
        answer = server.request("GET", "/opam/index.tar.gz")
        self.assertEqual(answer["Content-Type"], "application/gzip")
        self.assertIsNone(answer["Content-Encoding"])
        self.assertStatus(server.request("GET", "/opam/index.tar.gz", [("If-None-Match", answer["ETag"])]), 304)
        self.assertStatus(server.request("GET", "/opam/index.tar.gz",
                                         [("If-Modified-Since", answer["Last-Modified"])]), 304)
        self.assertEqual(server.request("HEAD", "/opam/index.tar.gz")["Content-Length"], str(len(answer.body)))
        part = server.request("GET", "/opam//index.tar.gz", [("Range", "bytes=10-99")])
        self.assertEqual((part.status, part.body), (206, answer.body[10:100]))
        plain = server.request("GET", "/opam/index.tar").body
        self.assertEqual(plain, gzip.decompress(answer.body))
        self.assertEqual(server.request("GET", "/opam/packages/a/a.1/opam").body, opam_file("one").encode())
        self.assertEqual(len(server.request("GET", "/opam/urls.txt").body), 42)
        self.assertStatus(server.request("GET", "/opam/README.md"), 404)
        self.assertStatus(server.request("GET", "/opam/cache/md5/00/" + "0" * 32), 404)

        git.write("packages/a/a.2/opam", opam_file("two"))
        second = git.commit()
        self.assertIsCommit(git, second, self.wait_for(server, second))
        old = server.request("GET", f"/opam/@{answer['X-Slipway-Snapshot']}/index.tar.gz")
        self.assertEqual((old.body, old["ETag"]), (answer.body, answer["ETag"]))

        git.git("reset", "--quiet", "--hard", first)
        self.assertIsCommit(git, first, self.wait_for(server, first))
        self.assertEqual(server.request("GET", "/opam/index.tar.gz")["ETag"], answer["ETag"])

    def test_who_has_an_older_index_can_get_what_changed(self):
        """Compression Dictionary Transport (RFC 9842)."""
        git = self.source()
        source = random.Random(3)
        for number in range(400):
            git.write(f"packages/p{number}/p{number}.1/opam", opam_file(source.randbytes(300).hex()))
        first = git.commit()
        server = self.serve_opam(git)
        self.wait_for(server, first)
        old = server.request("GET", "/opam/index.tar")
        fields = dict(re.findall(r'(\w+)="([^"]*)"', old["Use-As-Dictionary"]))
        self.assertEqual(fields, {"match": "/opam/index.tar", "id": old["X-Slipway-Snapshot"]})
        git.write("packages/q/q.1/opam", opam_file("new"))
        second = git.commit()
        self.wait_for(server, second)
        new = server.request("GET", "/opam/index.tar")

        def ask(dictionary=old.body, number=fields["id"], codings="gzip, dcz", more=()):
            digest = base64.b64encode(hashlib.sha256(dictionary).digest()).decode()
            return server.request("GET", "/opam/index.tar", [
                ("Accept-Encoding", codings), ("Available-Dictionary", f":{digest}:"), ("Dictionary-ID", f'"{number}"'),
                *more])

        answer = ask()
        self.assertEqual((answer.status, answer["Content-Encoding"]), (200, "dcz"))
        self.assertEqual(answer["Vary"], "Accept-Encoding, Available-Dictionary")
        self.assertLess(len(answer.body), 1000)
        self.assertEqual(answer.body[:40], bytes.fromhex("5e2a4d1820000000") + hashlib.sha256(old.body).digest())
        folder = self.folder()
        (folder / "old").write_bytes(old.body)
        (folder / "delta").write_bytes(answer.body[40:])
        subprocess.run(["zstd", "-dq", "--patch-from=old", "delta", "-o", "new"], cwd=folder, check=True)
        self.assertEqual((folder / "new").read_bytes(), new.body)
        self.assertEqual(answer["ETag"], "W/" + new["ETag"])
        self.assertStatus(ask(more=[("If-None-Match", answer["ETag"])]), 304)
        for other in (ask(dictionary=b"something else"), ask(codings="gzip"), ask(codings="dcz;q=0"), ask(number="x"),
                      ask(number="sha256:" + "0" * 64), ask(number='\\'), ask(more=[("Range", "bytes=0-")])):
            self.assertEqual((other.body, other["Content-Encoding"]), (new.body, None))
        self.assertEqual(ask(dictionary=new.body, number=new["X-Slipway-Snapshot"])["Content-Encoding"], "dcz")
        for bad in (":", "::", ":" + "A" * 44 + ":", "x" * 5000):
            self.assertStatus(server.request("GET", "/opam/index.tar", [("Accept-Encoding", "dcz"),
                                                                        ("Available-Dictionary", bad)]), 200)

    def test_what_is_published_outlives_its_source(self):
        git = self.source()
        git.write("packages/a/a.1/opam", opam_file("one"))
        first = git.commit()
        server = self.serve_opam(git)
        before = self.wait_for(server, first)
        moved = git.folder.rename(git.folder.with_name("elsewhere"))
        eventually(lambda: server.log_lines("is not brought up to date"))
        server.stop()
        server.start()
        eventually(lambda: server.log_lines("is not brought up to date"))
        self.assertEqual(self.index(server), before)
        moved.rename(git.folder)
        git.write("packages/a/a.2/opam", opam_file("two"))
        second = git.commit()
        self.assertIsCommit(git, second, self.wait_for(server, second))

    def test_a_rollback_holds_until_the_next_commit(self):
        git = self.source()
        git.write("packages/a/a.1/opam", opam_file("one"))
        first = git.commit()
        server = self.serve_opam(git, poll="20ms")
        before = self.wait_for(server, first)
        git.write("packages/a/a.2/opam", opam_file("bad"))
        self.wait_for(server, git.commit())
        self.assertEqual(server.slipway("rollback", "opam").returncode, 0)
        for _ in range(2):
            time.sleep(0.3)
            self.assertEqual(self.index(server), before)
            server.stop()
            server.start()
        git.write("packages/a/a.3/opam", opam_file("mended"))
        third = git.commit()
        self.assertIsCommit(git, third, self.wait_for(server, third))

    def test_a_broken_file_is_told_and_breaks_nothing(self):
        git = self.source()
        git.write("packages/a/a.1/opam", opam_file("one"))
        server = self.serve_opam(git)
        self.wait_for(server, git.commit())
        git.write("packages/a/a.1/opam", 'synopsis: "')
        git.write("packages/b/b.1/opam", opam_file("b"))
        git.write(f"packages/{'n' * 120}/{'n' * 120}.1/opam", opam_file("no archive has room for its name"))
        files = self.wait_for(server, git.commit())
        self.assertEqual(files["packages/a/a.1/opam"], opam_file("one").encode())
        self.assertIn("packages/b/b.1/opam", files)
        eventually(lambda: server.log_lines("packages/a/a.1/opam:1:11: unterminated string"))
        eventually(lambda: server.log_lines("too long a path"))
        git.git("rm", "-rq", "packages")
        git.commit()
        eventually(lambda: server.log_lines("has no packages"))
        self.assertEqual(self.index(server), files)

    def test_a_burst_of_commits_ends_at_the_last(self):
        git = self.source()
        git.write("packages/a/a.0/opam", opam_file("a"))
        server = self.serve_opam(git, poll="10ms")
        self.wait_for(server, git.commit())
        for number in range(1, 20):
            git.write(f"packages/a/a.{number}/opam", opam_file("a"))
            last = git.commit()
        self.assertIsCommit(git, last, self.wait_for(server, last))

    def test_a_server_that_is_killed_goes_on(self):
        """At random moments, while commits come and a client reads: each answer is one commit's."""
        git = self.source()
        for number in range(300):
            git.write(f"packages/p{number}/p{number}.0/opam", opam_file("0"))
        commit = git.commit()
        server = self.serve_opam(git, poll="10ms")
        server.flags = ["--listen", server.url.removeprefix("http://")]
        self.wait_for(server, commit)
        source = random.Random(5)
        for number in range(1, 9):
            for package in range(0, 300, 3):
                git.write(f"packages/p{package}/p{package}.0/opam", opam_file(str(number)))
            commit = git.commit()
            time.sleep(source.uniform(0, 0.25))
            server.kill()
            server.start()
            files = self.index(server)
            stamp = files["repo"].decode().split('stamp: "')[1].split('"')[0]
            self.assertIsCommit(git, stamp, files)
        self.assertIsCommit(git, commit, self.wait_for(server, commit))

    def test_a_server_stops_while_git_does_not_answer(self):
        server = self.serve('[opam]\nrepositories = ["opam ssh://nowhere/opam"]\n', env={"GIT_SSH_COMMAND": "sleep 1000; true"})
        time.sleep(0.2)
        began = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - began, 10)

    def test_a_host_of_its_own_with_the_trees_of_old_clients(self):
        git = self.source()
        redirect = 'opam-version: "2.0"\nredirect: ["https://opam.example.org/1.2.2" {opam-version < "2.0"}]\n'
        git.write("repo", redirect)
        git.write("packages/a/a.1/opam", opam_file("one"))
        commit = git.commit()
        server = self.serve(f'[opam]\nrepositories = ["opam {git.folder}"]\npoll = "50ms"\n'
                            '[sites]\nmounts = ["opam.example.org/ opam", "opam.example.org/1.2.2 opam-1.2.2"]\n')
        self.wait_for(server, commit)
        old = {"repo": b'opam-version: "1.2"\n', "urls.txt": b"repo 0 0o644\n", "index.tar.gz": b"\x1f\x8b of old",
               "packages/a/a.0/opam": b'opam-version: "1.2"\n', "archives/a.0+opam.tar.gz": b"an archive"}
        folder = self.folder() / "1.2.2"
        for path, data in old.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        done = server.slipway("publish", str(folder), "opam-1.2.2")
        self.assertEqual(done.returncode, 0, done.stderr)

        def get(path):
            return server.request("GET", path, [("Host", "opam.example.org")])
        for path, data in old.items():
            answer = get("/1.2.2/" + path)
            self.assertEqual((answer.status, answer.body, answer["Content-Encoding"]), (200, data, None), path)
        self.assertTrue(get("/repo").body.startswith(redirect.encode()))
        self.assertIn("packages/a/a.1/opam", files_of(gzip.decompress(get("/index.tar.gz").body)))
        self.assertIn(b"<h1", get("/packages/a/").body)
        self.assertStatus(get("/packages/a/a.0/opam"), 404)
        self.assertStatus(get("/cache/md5/00/" + "0" * 32), 404)

    def test_packages_lie_where_opam_finds_them(self):
        git = self.source()
        git.write("repo", 'opam-version: "2.0"\n')
        for path in ("packages/a.1/opam", "packages/of/somebody/b.2/opam"):
            git.write(path, opam_file("found at " + path))
        commit = git.commit()
        server = self.serve_opam(git)
        self.assertIsCommit(git, commit, self.wait_for(server, commit))
        self.assertIn(b"found at packages/a.1/opam", server.request("GET", "/opam/packages/a/").body)
        page = server.request("GET", "/opam/packages/b/b.2/").body
        self.assertIn(b'href="/opam/packages/of/somebody/b.2/opam"', page.replace(b"../../../", b"/opam/"))

    def test_two_of_one_channel_are_refused(self):
        folder = self.folder()
        (folder / "slipway.toml").write_text('[opam]\nrepositories = ["a /x", "a@live /y"]\n')
        refused = run_slipway("serve", "--config", folder / "slipway.toml", folder=folder)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("a@live would be made of two git repositories", refused.stderr)


@unittest.skipUnless(BUNDLE.exists(), "the real merges are not here")
class RealMergesTest(OpamCase):
    def test_each_of_fifty_merges_is_served_as_git_has_it(self):
        git = self.source(bundle=BUNDLE)
        commits = git.commits()
        self.assertGreater(len(commits), 50)
        git.git("checkout", "--quiet", "-B", "live", commits[0])
        server = self.serve_opam(git, poll="10ms")
        problems, done = [], threading.Event()

        def read():
            """As a client that knows nothing of when: always one commit, whole."""
            with Connection(server) as connection:
                while not done.is_set():
                    answer = connection.request("GET", "/opam/index.tar.gz")
                    files = files_of(gzip.decompress(answer.body))
                    stamp = files["repo"].decode().split('stamp: "')[1].split('"')[0]
                    wanted = set(git.git("ls-tree", "-r", "--name-only", stamp, "packages").decode().split())
                    if set(files) - {"repo", "version"} != wanted:
                        problems.append(f"{stamp}: {set(files) ^ wanted}")

        self.wait_for(server, commits[0])
        reader = threading.Thread(target=read)
        reader.start()
        try:
            for commit in commits:
                git.git("checkout", "--quiet", "-B", "live", commit)
                self.assertIsCommit(git, commit, self.wait_for(server, commit))
        finally:
            done.set()
            reader.join()
        self.assertEqual(problems, [])


if __name__ == "__main__":
    unittest.main()
