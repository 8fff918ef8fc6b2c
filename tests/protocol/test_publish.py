"""slipway publish, tree and serve --site, as who uses them sees them; tests/unit/publish has what is sent."""

import base64
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
import unittest

from slipway_server import PATIENCE, ServerTest, basic, environment, eventually, files_only, run_slipway
from test_access import PASSWORD, AccessCase

USER = basic("user", PASSWORD)


def write(folder, files):
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def pages(count, text=b"page"):
    return {f"d{i % 11}/p{i}.html": b"%s %d\n" % (text, i) for i in range(count)}


class PublishCase(ServerTest):
    def publish(self, folder, place, *more, env=None):
        done = run_slipway("publish", str(folder), place, "--server", self.server.url, "--json", *more,
                           folder=self.server.folder, env=env)
        self.assertEqual(done.returncode, 0, done)
        return json.loads(done.stdout)

    def refused(self, *arguments, status=1, env=None):
        done = run_slipway(*arguments, "--server", self.server.url, folder=self.server.folder, env=env)
        self.assertEqual((done.returncode, done.stdout), (status, ""), done)
        self.assertTrue(done.stderr.startswith("slipway: "), done)
        return done.stderr

    def tree(self, *arguments):
        done = self.server.slipway("tree", *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return done.stdout


class PublishTest(PublishCase):
    def test_a_folder_becomes_a_site_and_costs_what_changed(self):
        self.server = server = self.shared()
        folder = write(self.folder(), pages(1000) | {"index.html": b"home", "large.bin": os.urandom(5 << 20)})
        first = self.publish(folder, "docs")
        self.assertEqual((first["moved"], first["from"], first["files"]), (True, None, 1002))
        self.assertEqual(server.request("GET", "/docs/").body, b"home")
        self.assertEqual(server.request("GET", "/docs/large.bin").body, (folder / "large.bin").read_bytes())
        again = self.publish(folder, "docs")
        self.assertEqual((again["moved"], again["sent_objects"], again["requests"]), (False, 0, 1))
        write(folder, {"index.html": b"another"})
        changed = self.publish(folder, "docs")
        self.assertEqual((changed["sent_objects"], changed["from"]), (4, first["digest"]))
        answer = server.request("GET", "/docs/")
        self.assertEqual((answer.body, answer["X-Slipway-Snapshot"]), (b"another", changed["digest"]))
        self.assertEqual(server.request("GET", f"/docs/@{first['digest']}/").body, b"home")
        done = server.slipway("publish", str(write(folder, {"d1/p1.html": b"another"})), "docs@staging")
        self.assertRegex(done.stdout, "^docs@staging is at sha256:.*: 1002 files, .*; sent 3 objects, ")  # the file is known

    def test_trees_are_listed_compared_and_fetched(self):
        self.server = server = self.shared()
        folder = write(self.folder(), pages(300) | {"large.bin": os.urandom(1 << 20), "empty": b""})
        first = self.publish(folder, "listed")["digest"]
        self.assertEqual(len(self.tree("ls", "listed").splitlines()), 302)
        self.assertIn("large.bin", self.tree("ls", "listed@live", "large"))
        listed = json.loads(self.tree("ls", "listed", "d3/", "--json"))
        self.assertEqual((listed["digest"], listed["file_count"], len(listed["files"])), (first, 302, 27))
        write(folder, {"d3/p3.html": b"changed", "new": b"new"})
        (folder / "empty").unlink()
        second = self.publish(folder, "listed@staging")["digest"]
        self.assertEqual(self.tree("diff", "listed", "staging"), "~ d3/p3.html\n- empty\n+ new\n")
        self.assertEqual(self.tree("diff", f"listed@{second}", first), "~ d3/p3.html\n+ empty\n- new\n")
        self.assertEqual(json.loads(self.tree("diff", "listed", "listed@live", "--json"))["differences"], [])
        copy = server.folder / "copy"
        self.tree("get", "listed@staging", str(copy))
        self.assertEqual(subprocess.run(["diff", "-r", folder, copy], check=False).returncode, 0)
        got = json.loads(self.tree("get", "listed", str(copy), "--json"))
        self.assertEqual(got["fetched_files"], 2)
        self.assertIn(first, self.tree("history", "listed"))
        self.assertIn("no 'absent'", self.refused("tree", "get", "listed", str(copy), "--path", "absent"))
        self.assertIn("there is no listed@absent", self.refused("tree", "ls", "listed@absent"))

    def test_what_cannot_be_published_is_told(self):
        self.server = self.shared()
        folder = write(self.folder(), {"index.html": b"home"})
        self.assertIn("no such file", self.refused("publish", str(folder / "absent"), "site").lower())
        self.assertIn("no name of a repository", self.refused("publish", str(folder), "Site"))
        self.assertIn("name the channel", self.refused("publish", str(folder), "site@sha256:" + "0" * 64))
        self.assertIn("the server's own", self.refused("publish", str(folder), "api/docs"))
        os.symlink("/etc/passwd", folder / "out")
        self.assertIn("'out' is a link that leads out", self.refused("publish", str(folder), "refused"))
        (folder / "out").unlink()
        write(folder, {"_redirects": b"/a /b 302\n/b /a\n"})
        self.assertIn("_redirects: line 1: this leads round in a circle", self.refused("publish", str(folder), "refused"))
        self.refused("publish", str(folder), status=2)
        self.assertStatus(self.server.request("GET", "/refused/"), 404)

    def test_a_full_disk_changes_nothing(self):
        self.server = server = self.serve()
        folder = write(self.folder(), pages(50) | {"index.html": b"home"})
        self.publish(folder, "site")
        server.stop()
        server.config.write_text(server.config.read_text() + '[limits]\nkeep_free = "1000TiB"\n')
        server.start()
        write(folder, pages(50, b"changed"))
        if server.request("POST", "/v2/x/blobs/uploads/").status == 507:  # a bucket is never full
            self.assertIn("full", self.refused("publish", str(folder), "site"))
            self.assertEqual(server.request("GET", "/site/d1/p1").body, b"page 1\n")

    def test_of_two_publishers_none_is_lost_unheard(self):
        self.server = server = self.shared()
        folders = [write(self.folder(), pages(30, b"%d" % number)) for number in range(4)]
        outcomes = []

        def run(folder):
            done = run_slipway("publish", str(folder), "contested", "--server", server.url, "--json", folder=server.folder)
            outcomes.append((done.returncode, done.stderr, done.stdout))

        for _ in range(3):
            outcomes.clear()
            publishers = [threading.Thread(target=run, args=[folder]) for folder in folders]
            for publisher in publishers:
                publisher.start()
            for publisher in publishers:
                publisher.join()
            winners = [json.loads(out)["digest"] for code, _, out in outcomes if code == 0]
            self.assertTrue(winners)
            for code, said, _ in outcomes:
                if code != 0:
                    self.assertIn("somebody else moved contested@live", said)
            now = server.request("GET", "/contested/d1/p1")["X-Slipway-Snapshot"]
            self.assertIn(now, winners)
            for folder in folders:
                write(folder, {"more": os.urandom(8)})


class InterruptionTest(PublishCase):
    """Whoever dies on the way: the channel shows a whole snapshot, and the next run goes on."""

    def test_a_server_that_is_killed(self):
        """Comes back at once: the publisher goes on by itself."""
        self.server = server = self.serve()
        server.flags = ["--listen", server.url.removeprefix("http://")]
        folder = write(self.folder(), pages(3000) | {"index.html": b"0"})
        bodies = {self.publish(folder, "site")["digest"]: b"0"}
        source = random.Random(7)
        for number in range(1, 6):
            write(folder, pages(3000, b"%d" % number) | {"index.html": b"%d" % number})
            looked = len(server.log_lines("method=GET path=/v2/site/manifests/live"))
            publisher = subprocess.Popen([os.environ["SLIPWAY_BIN"], "publish", str(folder), "site", "--server", server.url,
                                          "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                         env=environment(server.folder))
            eventually(lambda: len(server.log_lines("method=GET path=/v2/site/manifests/live")) > looked, "the first request")
            time.sleep(source.uniform(0, 0.4))
            server.kill()
            server.start()
            answer = server.request("GET", "/site/")
            snapshot = answer["X-Slipway-Snapshot"]
            bodies.setdefault(snapshot, b"%d" % number)  # it has moved already
            self.assertEqual(answer.body, bodies[snapshot])
            for path in ("d1/p1", "d2/p200", f"d{2999 % 11}/p2999"):
                self.assertStatus(server.request("GET", f"/site/@{snapshot}/{path}"), 200)
            out, said = publisher.communicate(timeout=PATIENCE)
            self.assertEqual((publisher.returncode, said), (0, ""))
            bodies[json.loads(out)["digest"]] = b"%d" % number
            self.assertEqual(server.request("GET", "/site/").body, b"%d" % number)

    def test_a_server_that_stays_away_is_told(self):
        self.server = server = self.serve()
        folder = write(self.folder(), {"index.html": b"0"})
        server.kill()
        self.assertIn(server.url, self.refused("publish", str(folder), "site"))
        server.start()

    def test_a_publisher_that_is_killed(self):
        self.server = server = self.serve()
        folder = write(self.folder(), pages(3000) | {"index.html": b"0"})
        self.publish(folder, "site")
        sent = len(server.log_lines("route=batch.blobs"))
        write(folder, pages(3000, b"1") | {"index.html": b"1", "large.bin": os.urandom(80 << 20)})
        publisher = subprocess.Popen([os.environ["SLIPWAY_BIN"], "publish", str(folder), "site", "--server", server.url],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(server.folder))
        eventually(lambda: len(server.log_lines("route=batch.blobs")) > sent, "the first files")
        publisher.send_signal(signal.SIGKILL)
        publisher.wait()
        before = server.request("GET", "/site/").body
        self.assertIn(before, (b"0", b"1"))
        again = self.publish(folder, "site")
        self.assertEqual(server.request("GET", "/site/").body, b"1")
        self.assertLess(again["sent_objects"], 3000)
        self.assertEqual(server.request("GET", "/site/large.bin").body, (folder / "large.bin").read_bytes())


class CredentialsTest(AccessCase, PublishCase):
    def test_publishers_say_who_they_are(self):
        self.server = server = self.serve_users('approval = ["site@live root"]\n')
        folder = write(self.folder(), {"index.html": b"home"})
        self.assertIn("wants credentials", self.refused("publish", str(folder), "site"))
        self.assertIn("credentials", self.refused("publish", str(folder), "site", "--user", "user:wrong"))
        self.assertTrue(self.publish(folder, "site@staging", "--user", f"user:{PASSWORD}")["moved"])
        self.assertIn("demands approval", self.refused("publish", str(folder), "site", "--user", f"user:{PASSWORD}"))
        self.assertIn("demands approval", self.refused("promote", "site", "staging", "live", "--user", f"user:{PASSWORD}"))
        self.assertEqual(run_slipway("promote", "site", "staging", "live", "--server", server.url, folder=server.folder,
                                     env={"SLIPWAY_USER": f"root:{PASSWORD}"}).returncode, 0)
        docker = server.folder / "docker"
        docker.mkdir()
        (docker / "config.json").write_text(json.dumps({"auths": {server.url.split("//")[1]: {
            "auth": base64.b64encode(f"user:{PASSWORD}".encode()).decode()}}}))
        self.assertFalse(self.publish(folder, "site@staging", env={"DOCKER_CONFIG": str(docker)})["moved"])


class SiteFolderTest(PublishCase):
    def test_a_folder_is_served_as_it_changes(self):
        folder = write(self.folder(), pages(100) | {"index.html": b"first"})
        self.server = server = self.serve("", "--site", str(folder))
        body = lambda path: server.request("GET", path).body
        eventually(lambda: body("/") == b"first", "the first publication")
        self.assertEqual(body("/d1/p1"), b"page 1\n")
        write(folder, {"index.html": b"second", "new.html": b"new"})
        eventually(lambda: body("/") == b"second", "the change")
        self.assertEqual(body("/new"), b"new")
        (folder / "new.html").unlink()
        eventually(lambda: server.request("GET", "/new").status == 404, "the removal")
        self.assertEqual(self.server.slipway("rollback", "site").returncode, 0)
        time.sleep(2.5)
        self.assertEqual(body("/new"), b"new")  # what somebody moved it to stays
        write(folder, {"index.html": b"third"})
        eventually(lambda: body("/") == b"third", "the next change")
        shutil.rmtree(folder)
        time.sleep(2.5)
        self.assertEqual(body("/"), b"third")
        self.assertTrue(server.log_lines("the folder cannot be published"))

    @files_only
    def test_a_folder_that_is_not_there_is_told(self):
        done = run_slipway("serve", "--data", "data", "--site", "absent", folder=self.folder())
        self.assertEqual(done.returncode, 1)
        self.assertIn("no folder absent", done.stderr)


if __name__ == "__main__":
    unittest.main()
