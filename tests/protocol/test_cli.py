"""Commands that administer a running server, and a stopped one's data directory."""

import json
import os
import unittest

from slipway_server import MANIFEST, ServerTest, digest_of, eventually, files_only, run_slipway


class AdminCase(ServerTest):
    def setUp(self):
        self.server = self.serve()
        self.old = self.server.push_image("team/app", "v1", "old")
        self.other = self.server.push_image("team/app", "v2", "other")
        self.new = self.server.push_image("team/app", "v1", "new")
        self.server.push_image("zoo", "latest", "old")

    def ok(self, done):
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return done.stdout

    def fails(self, done, words, status=1):
        self.assertEqual((done.returncode, done.stdout), (status, ""), done)
        self.assertTrue(done.stderr.startswith("slipway: "), done)
        self.assertIn(words, done.stderr)


class BothWaysTest(AdminCase):
    """Commands by --server on a running server and by --data on a stopped one: the answers are the same."""

    def test_reading(self):
        commands = [("repo", "ls"), ("repo", "ls", "-n", "1"), ("repo", "ls", "--last", "team/app"),
                    ("repo", "show", "zoo"), ("tag", "ls", "team/app"), ("tag", "history", "team/app"),
                    ("tag", "history", "team/app", "v2"), ("manifest", "show", "team/app", "v1"),
                    ("manifest", "show", "team/app", digest_of(self.old))]
        commands += [(*command, "--json") for command in commands]
        running = [self.ok(run_slipway(*command, "--server", self.server.url, folder=self.server.folder))
                   for command in commands]
        self.server.stop()
        stopped = [self.ok(run_slipway(*command, "--data", "data", folder=self.server.folder)) for command in commands]
        for command, first, second in zip(commands, running, stopped):
            self.assertEqual(first, second, command)
        said = dict(zip(commands, running))

        self.assertEqual(said["repo", "ls"], "team/app\nzoo\n")
        self.assertEqual(said["repo", "ls", "-n", "1"].splitlines()[0], "team/app")
        self.assertIn("--last", said["repo", "ls", "-n", "1"])
        self.assertEqual(said["repo", "ls", "--last", "team/app"], "zoo\n")
        self.assertEqual(json.loads(said["repo", "ls", "--json"]), {"repositories": ["team/app", "zoo"], "more": False})
        shown = json.loads(said["repo", "show", "zoo", "--json"])
        self.assertEqual([shown[key] for key in ("name", "tags", "manifests", "blobs")], ["zoo", 1, 1, 2])
        self.assertEqual(shown["blob_bytes"], len('{"text":"old"}') + len("layer old"))
        tags = json.loads(said["tag", "ls", "team/app", "--json"])["tags"]
        self.assertEqual([(tag["tag"], tag["digest"]) for tag in tags][0], ("v1", digest_of(self.new)))
        self.assertEqual((tags[0]["media_type"], tags[0]["manifest_bytes"]), (MANIFEST, len(self.new)))
        self.assertIn(digest_of(self.new), said["tag", "ls", "team/app"])
        moves = json.loads(said["tag", "history", "team/app", "--json"])["history"]
        self.assertEqual([move["tag"] for move in moves], ["v1", "v2", "v1"])
        self.assertEqual(moves[0]["digest"], digest_of(self.new))
        self.assertEqual(moves[2]["digest"], digest_of(self.old))
        self.assertEqual(len(json.loads(said["tag", "history", "team/app", "v2", "--json"])["history"]), 1)
        self.assertEqual(said["manifest", "show", "team/app", "v1"], self.new.decode() + "\n")
        self.assertEqual(said["manifest", "show", "team/app", digest_of(self.old)], self.old.decode() + "\n")

    def test_removing_from_a_running_server(self):
        self.remove(["--server", self.server.url])
        self.assertStatus(self.server.request("GET", "/v2/team/app/manifests/v1"), 404, "MANIFEST_UNKNOWN")
        self.assertStatus(self.server.request("GET", "/v2/zoo/tags/list"), 404, "NAME_UNKNOWN")

    def test_removing_from_a_stopped_server(self):
        self.server.stop()
        self.remove(["--data", str(self.server.data)])
        self.server.start()
        self.assertStatus(self.server.request("GET", "/v2/team/app/manifests/v1"), 404, "MANIFEST_UNKNOWN")
        self.assertEqual(self.server.request("GET", f"/v2/team/app/manifests/{digest_of(self.new)}").body, self.new)
        self.assertStatus(self.server.request("GET", "/v2/zoo/tags/list"), 404, "NAME_UNKNOWN")

    def remove(self, where):
        def run(*arguments):
            return run_slipway(*arguments, *where, folder=self.server.folder)
        self.ok(run("tag", "rm", "team/app", "v1"))
        moves = json.loads(self.ok(run("tag", "history", "team/app", "v1", "--json")))["history"]
        self.assertIsNone(moves[0]["digest"])
        self.assertIn("(deleted)", self.ok(run("tag", "history", "team/app", "v1")))
        self.fails(run("tag", "rm", "team/app", "v1"), "has no tag 'v1'")
        self.ok(run("repo", "rm", "zoo"))
        self.assertEqual(self.ok(run("repo", "ls")), "team/app\n")
        for command in (("repo", "rm", "zoo"), ("repo", "show", "zoo"), ("tag", "ls", "zoo")):
            self.fails(run(*command), "'zoo' does not exist")
        self.fails(run("manifest", "show", "zoo", "latest"), "zoo")
        doctor = json.loads(self.ok(run("doctor", "--json")))
        self.assertEqual(doctor["unreachable"]["manifests"], 0)  # team/app has all that the zoo had
        self.assertEqual(doctor["unreachable"]["blobs"], 0)

    def test_where_the_server_is(self):
        server, folder = self.server, self.server.folder
        with_config = folder / "with.toml"
        with_config.write_text(f'[server]\ndata = "{server.data}"\n')
        for arguments, env in ((["--server", server.url], {}), (["--server", server.url + "/"], {}),
                               ([], {"SLIPWAY_SERVER": server.url}), (["--config", with_config], {}),
                               ([], {"SLIPWAY_CONFIG": str(with_config)}),
                               (["--server", server.url], {"SLIPWAY_SERVER": "http://127.0.0.1:1"})):
            self.assertEqual(self.ok(run_slipway("repo", "ls", *arguments, folder=folder, env=env)), "team/app\nzoo\n")
        self.fails(run_slipway("repo", "ls", "--server", server.url, "--data", "data", folder=folder),
                   "give one of them", status=2)
        self.fails(run_slipway("repo", "ls", "--server", "http://127.0.0.1:1", folder=folder), "http://127.0.0.1:1")

    def test_a_data_directory_in_use(self):
        for command in (("repo", "ls", "--data", "data"), ("doctor", "--data", "data"), ("init", "--data", "data"),
                        ("serve", "--data", "data", "--listen", "127.0.0.1:0")):
            done = run_slipway(*command, folder=self.server.folder)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"is in use by process {self.server.process.pid}: ", done.stderr)
            self.assertIn("--server", done.stderr)
        self.fails(run_slipway("repo", "ls", "--data", "elsewhere", folder=self.server.folder),
                   "is not a Slipway data directory")
        self.assertFalse((self.server.folder / "elsewhere").exists())


class DoctorTest(AdminCase):
    def test_a_healthy_server(self):
        for deep in ([], ["--deep"]):
            report = json.loads(self.ok(self.server.slipway("doctor", "--json", *deep)))
            self.assertTrue(report["healthy"])
            self.assertEqual({check["state"] for check in report["checks"]} - {"warn"}, {"ok"})
            self.assertEqual(report["unreachable"], {"blobs": 0, "blob_bytes": 0, "manifests": 0, "manifest_bytes": 0})
        said = self.ok(self.server.slipway("doctor", "--deep"))
        self.assertIn("ok    store contents: every blob has its bytes", said)

    def test_what_no_name_reaches_is_counted(self):
        server = self.server
        self.ok(server.slipway("repo", "rm", "team/app"))
        unreachable = json.loads(self.ok(server.slipway("doctor", "--json")))["unreachable"]
        self.assertEqual((unreachable["blobs"], unreachable["manifests"]), (4, 2))  # "old" is the zoo's too
        self.assertEqual(unreachable["manifest_bytes"], len(self.new) + len(self.other))
        self.assertStatus(server.request("DELETE", f"/v2/zoo/blobs/{digest_of(b'layer old')}"), 202)
        unreachable = json.loads(self.ok(server.slipway("doctor", "--json")))["unreachable"]
        self.assertEqual(unreachable["blobs"], 5)
        self.assertIn("unreachable: 5 blobs", self.ok(server.slipway("doctor")))

    @files_only
    def test_a_lost_file_is_found(self):
        self.server.push_blob("zoo", bytes(100_000))
        os.unlink(self.server.store_files("raw")[0])
        self.ok(self.server.slipway("doctor"))
        done = self.server.slipway("doctor", "--deep")
        self.assertEqual(done.returncode, 1)
        self.assertIn("fail  store contents: 1 blobs have lost their bytes", done.stdout)
        self.server.stop()
        done = run_slipway("doctor", "--deep", "--data", "data", "--json", folder=self.server.folder)
        self.assertEqual(done.returncode, 1)
        self.assertFalse(json.loads(done.stdout)["healthy"])

    @files_only
    def test_a_lost_pack_is_found(self):
        for pack in self.server.store_files("packs"):
            os.truncate(pack, 100)
        done = self.server.slipway("doctor", "--deep")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"fail  store contents: \d blobs have lost their bytes")

    @files_only
    def test_a_file_that_nobody_knows_is_reported_and_left(self):
        strays = [self.server.data / "store" / name
                  for name in ("raw/ff/00000000000fffff", "packs/0123456789abcdef", "uploads/00000000000ffffe")]
        for number, stray in enumerate(strays):
            stray.parent.mkdir(exist_ok=True)
            stray.write_bytes(b"x" * 1000)
            self.assertIn(f"; {number + 1} files (", self.ok(self.server.slipway("doctor", "--deep")))
        self.assertTrue(all(stray.exists() for stray in strays))
        done = self.server.slipway("doctor", "--deep", "--remove-unknown")
        self.assertEqual(done.returncode, 1)
        self.assertIn("stop the server first", done.stderr)
        self.server.stop()
        self.assertEqual(run_slipway("doctor", "--remove-unknown", "--data", "data", folder=self.server.folder).returncode, 1)
        done = run_slipway("doctor", "--deep", "--remove-unknown", "--data", "data", folder=self.server.folder)
        self.assertIn("; 3 files (2.9 KiB) are known to no row and were removed", self.ok(done))
        self.assertFalse(any(stray.exists() for stray in strays))
        self.server.start()
        self.assertIn("; 0 files", self.ok(self.server.slipway("doctor", "--deep")))
        self.assertEqual(self.server.request("GET", "/v2/team/app/manifests/v1").body, self.new)


class ServerSettingsTest(AdminCase):
    def test_status(self):
        status = self.server.status()
        self.assertEqual({key: status[key] for key in ("repositories", "tags", "manifests", "blobs", "uploads",
                                                       "read_only", "log_level", "listen", "data")},
                         {"repositories": 2, "tags": 3, "manifests": 3, "blobs": 6, "uploads": 0, "read_only": False,
                          "log_level": "info", "listen": [self.server.url], "data": str(self.server.data)})
        self.assertRegex(status["started_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
        self.server.begin_upload("zoo")
        self.assertEqual(self.server.status()["uploads"], 1)
        self.assertRegex(self.ok(self.server.slipway("server", "status")), r"(?m)^repositories +2$")

    def assertReadOnly(self, server):
        self.assertEqual(server.request("GET", "/v2/team/app/manifests/v1").body, self.new)
        self.assertEqual(server.request("GET", f"/v2/zoo/blobs/{digest_of(b'layer old')}").body, b"layer old")
        blob = digest_of(b"layer old")
        for method, target in (("POST", "/v2/zoo/blobs/uploads/"), ("POST", f"/v2/zoo/blobs/uploads/?digest={blob}"),
                               ("POST", f"/v2/new/blobs/uploads/?mount={blob}&from=zoo"),
                               ("PUT", "/v2/zoo/manifests/x"), ("DELETE", "/v2/zoo/manifests/latest"),
                               ("DELETE", f"/v2/zoo/blobs/{blob}")):
            self.assertStatus(server.request(method, target, body=b""), 405, "UNSUPPORTED")
        for command in (("repo", "rm", "zoo"), ("tag", "rm", "zoo", "latest")):
            self.fails(server.slipway(*command), "read-only")
        self.ok(server.slipway("doctor"))

    def test_read_only_at_run_time(self):
        server = self.server
        location = server.begin_upload("zoo")
        self.ok(server.slipway("server", "set", "--read-only", "true"))
        self.assertTrue(server.status()["read_only"])
        self.assertReadOnly(server)
        self.assertStatus(server.request("PATCH", location, body=b"x"), 405, "UNSUPPORTED")
        self.ok(server.slipway("server", "set", "--read-only", "false"))
        self.assertStatus(server.request("PATCH", location, body=b"x"), 202)
        server.push_image("zoo", "next")

    def test_read_only_from_the_start(self):
        server = self.server
        server.stop()
        server.flags.append("--read-only")
        server.start()
        self.assertTrue(server.status()["read_only"])
        self.assertReadOnly(server)

    def test_the_log_level(self):
        server = self.server
        self.ok(server.slipway("server", "set", "--log-level", "error"))
        server.request("GET", "/v2/silent")
        self.assertEqual(server.status()["log_level"], "error")
        self.ok(server.slipway("server", "set", "--log-level", "info"))
        server.request("GET", "/v2/heard")
        eventually(lambda: server.log_lines("path=/v2/heard"), "the request's line in the log")
        self.assertEqual(server.log_lines("path=/v2/silent"), [])

    def test_settings_that_are_none(self):
        self.fails(self.server.slipway("server", "set", "--read-only", "perhaps"), "true or false")
        self.fails(self.server.slipway("server", "set", "--log-level", "loud"), "debug, info, warn, error or off")


if __name__ == "__main__":
    unittest.main()
