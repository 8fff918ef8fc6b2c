"""What a real docker-registry has is imported whole, byte for byte; and what is wrong with its storage is told."""

import json
import os
import shutil
import subprocess
import unittest

from docker_registry import MIB, SBOM, Content, DockerRegistry, noise, require_docker_registry
from slipway_server import Server, ServerTest, digest_of, environment, eventually, files_only, run_slipway

setUpModule = require_docker_registry

class ImportCase(ServerTest):
    def setUp(self):
        self.scratch = self.folder()
        self.data = self.scratch / "data"
        self.registry = self.enterContext(DockerRegistry(self.scratch))

    def run_import(self, *arguments, code=0, source=None):
        done = run_slipway("import", "docker-registry", source or self.registry.root, *arguments, "--data", self.data,
                           "--json", folder=self.scratch, timeout=120)
        self.assertEqual(done.returncode, code, done.stderr)
        self.told = done.stderr
        return json.loads(done.stdout) if done.stdout else {}

    def refused(self, *arguments, says, code=1):
        done = run_slipway("import", "docker-registry", *arguments, "--data", self.data, folder=self.scratch)
        self.assertEqual((done.returncode, done.stdout), (code, ""))
        self.assertIn(says, done.stderr)

    def served(self):
        """A server on what was imported."""
        return self.enterContext(Server(self.scratch))

    def assertSame(self, content, server):
        content.assert_same(self, server)


class ImportTest(ImportCase):
    def test_everything_is_the_same(self):
        content = Content(self.registry).fill()
        report = self.run_import()
        distinct = {digest for _, digest in content.blobs}
        self.assertEqual(report["repositories"], 3)
        self.assertEqual(report["copied_blobs"], len(distinct))
        # The blob that is named by SHA-512 has a link of its other name, too.
        self.assertEqual(report["given_blobs"] + report["kept_blobs"], len(content.blobs) - len(distinct) + 1)
        self.assertEqual((report["new_manifests"], report["set_tags"]), (len(content.manifests), len(content.tags)))
        self.assertEqual((report["problems"], report["notes"]), ([], []))
        server = self.served()
        self.assertSame(content, server)
        referrers = server.request("GET", f"/v2/app/referrers/{content.subject}").json()["manifests"]
        self.assertEqual([found["artifactType"] for found in referrers], [SBOM])
        self.assertIn("  import  ", server.slipway("tag", "history", "app", "moved").stdout)
        self.assertEqual(server.slipway("doctor", "--deep").returncode, 0)
        server.push_image("app", "new")

    def test_a_second_run_reads_no_blob(self):
        content = Content(self.registry).fill()
        first = self.run_import()
        (self.registry.v2 / "blobs").rename(self.registry.v2 / "away")
        again = self.run_import()
        self.assertEqual((again["copied_blobs"], again["given_blobs"], again["new_manifests"], again["set_tags"]), (0, 0, 0, 0))
        self.assertEqual(again["kept_blobs"], sum(first[key] for key in ("copied_blobs", "given_blobs", "kept_blobs")))
        self.assertEqual((again["kept_manifests"], again["kept_tags"]), (len(content.manifests), len(content.tags)))
        (self.registry.v2 / "away").rename(self.registry.v2 / "blobs")
        content.image("app", "moved", "a third time")
        third = self.run_import()
        self.assertEqual((third["copied_blobs"], third["new_manifests"], third["set_tags"]), (2, 1, 1))
        self.assertSame(content, self.served())

    def test_a_dry_run_says_what_would_come_and_changes_nothing(self):
        Content(self.registry).fill()
        dry = self.run_import("--dry-run")
        self.assertFalse(self.data.exists())
        real = self.run_import()
        for report in dry, real:  # what has two names is found in the repository, or only in the store
            report["given_blobs"] += report.pop("kept_blobs")
        self.assertEqual(dry | {"dry_run": False}, real)
        dry = self.run_import("--dry-run")
        self.assertEqual((dry["copied_blobs"], dry["copied_bytes"], dry["new_manifests"], dry["set_tags"]), (0, 0, 0, 0))

    def test_any_folder_on_the_way_will_do(self):
        Content(self.registry).image("app", "v1", "one")
        for number, below in enumerate((".", "docker", "docker/registry", "docker/registry/v2")):
            report = self.run_import(source=self.registry.root / below)
            self.assertEqual((report["new_manifests"], report["kept_manifests"]), (number == 0, number > 0))

    def test_only_those_that_are_named(self):
        content = Content(self.registry).fill()
        report = self.run_import("team", "absent", code=1)
        self.assertEqual(report["problems"], ["there is no repository 'absent' over there"])
        server = self.served()
        self.assertEqual(server.request("GET", "/v2/_catalog").json()["repositories"], ["team"])
        for repository, digest in content.blobs:
            if repository == "team":
                self.assertEqual(server.request("GET", f"/v2/team/blobs/{digest}").status, 200)

    @files_only
    def test_a_killed_import_is_gone_on_with(self):
        content = Content(self.registry)
        content.image("app", "v1", "many", [noise(MIB, f"{number}") for number in range(60)])
        command = [os.environ["SLIPWAY_BIN"], "import", "docker-registry", self.registry.root, "--jobs", "2", "--data", self.data]
        process = subprocess.Popen(command, env=environment(self.scratch), cwd=self.scratch, stdout=subprocess.DEVNULL)
        eventually(lambda: len(list((self.data / "store").glob("raw/*/*"))) > 5, "some blobs")
        process.kill()
        process.wait()
        report = self.run_import()
        self.assertGreater(report["kept_blobs"], 4)
        self.assertGreater(report["copied_blobs"], 4)
        self.assertEqual(report["kept_blobs"] + report["copied_blobs"] + report["given_blobs"], 62)
        server = self.served()
        self.assertSame(content, server)
        self.assertEqual(server.slipway("doctor", "--deep").returncode, 0)

    def test_into_what_is_there_already(self):
        content = Content(self.registry).fill()
        with self.served() as server:
            mine = server.push_image("mine", "v1")
            server.push_blob("mine", noise(70_000, "shared"))
        report = self.run_import()
        self.assertEqual(report["copied_blobs"], len({digest for _, digest in content.blobs}) - 1)
        server = self.served()
        self.assertEqual(server.request("GET", "/v2/mine/manifests/v1").body, mine)
        self.assertEqual(server.slipway("repo", "rm", "mine").returncode, 0)
        self.assertSame(content, server)


class DamageTest(ImportCase):
    def setUp(self):
        super().setUp()
        self.content = Content(self.registry).fill()

    def imported_with(self, *told):
        """Each is told, and mending it makes the next import whole."""
        self.run_import(code=1)
        for text in told:
            self.assertIn(text, self.told)
        self.assertNotIn("copying", self.told)

    def test_damaged_and_missing_blobs(self):
        damaged, missing = digest_of(noise(7 * MIB, "large")), digest_of(noise(2000, "after"))
        files = [self.registry.data_file(digest) for digest in (damaged, missing)]
        kept = [file.read_bytes() for file in files]
        files[0].write_bytes(kept[0][:-1] + b"?")
        files[1].unlink()
        self.imported_with(f"blob {damaged} of repository 'app': its bytes have digest sha256:",
                           f"blob {damaged} of repository 'team': its bytes", f"blob {missing} of repository 'app': ",
                           f"manifest {self.content.tags['app', 'moved']} of repository 'app' lacks {missing}")
        with self.served() as server:
            self.assertStatus(server.request("GET", f"/v2/app/blobs/{damaged}"), 404, "BLOB_UNKNOWN")
            self.assertEqual(server.request("GET", "/v2/app/manifests/1.0").status, 200)
        for file, data in zip(files, kept):
            file.write_bytes(data)
        report = self.run_import()
        self.assertEqual((report["copied_blobs"], report["given_blobs"]), (2, 1))
        self.assertSame(self.content, self.served())

    def test_a_blob_that_became_shorter(self):
        shorter = digest_of(noise(7 * MIB, "large"))
        os.truncate(self.registry.data_file(shorter), MIB)
        self.imported_with(f"blob {shorter} of repository 'app': its bytes have digest")

    def test_damaged_and_missing_manifests(self):
        damaged, missing = self.content.tags["app", "moved"], self.content.tags["app", "1.0"]
        self.registry.data_file(damaged).write_bytes(b"{}")
        self.registry.data_file(missing).unlink()
        self.imported_with(f"manifest {damaged} of repository 'app': its bytes have digest",
                           f"manifest {missing} of repository 'app': ", "note: tag 'moved' of repository 'app' points at",
                           "note: tag 'latest' of repository 'app' points at",
                           f"of repository 'app' lacks {missing}")  # the index that lists it
        server = self.served()
        self.assertStatus(server.request("GET", "/v2/app/manifests/latest"), 404, "MANIFEST_UNKNOWN")
        self.assertEqual(server.request("GET", "/v2/app/manifests/untyped").status, 200)

    def test_links_that_lead_nowhere(self):
        outside = self.scratch / "outside"
        outside.write_text(self.content.tags["app", "1.0"])
        layers = [digest_of(noise(2000, seed)) for seed in ("amd", "arm", "after", "before")]
        bad, empty, led_out, long = (self.registry.layer_link("app", digest) for digest in layers)
        bad.write_text("sha256:bad")
        empty.write_text("")
        led_out.unlink()
        led_out.symlink_to(outside)
        long.write_text("sha256:" + "0" * 10_000)
        tag = self.registry.tag_link("app", "latest")
        tag.unlink()
        tag.symlink_to(outside)
        self.imported_with(f"blob {layers[0]} of repository 'app': ", "link is not a digest", "link is empty",
                           f"blob {layers[2]} of repository 'app': ", "is a link that leads out of ",
                           f"blob {layers[3]} of repository 'app': ", "is larger than 256 B",
                           "tag 'latest' of repository 'app': ")
        self.assertStatus(self.served().request("GET", "/v2/app/manifests/latest"), 404)

    def test_names_that_are_none(self):
        (self.registry.repository("Not-A-Name") / "_layers").mkdir(parents=True)
        (self.registry.repository("app") / "_manifests/tags/-no tag\n/current").mkdir(parents=True)
        (self.registry.repository("app") / "_layers/sha256/123").mkdir()
        (self.registry.repository("app") / "_layers/md5").mkdir()
        self.registry.repository("loop").symlink_to(self.registry.repository("team"))
        os.mkfifo(self.registry.repository("team") / "_manifests/pipe")
        self.imported_with("'Not-A-Name' is no name of a repository", "'-no tag?' in repository 'app' is no name of a tag",
                           "_layers/sha256/123: this is no digest", "_layers/md5: no digest known here",
                           "'loop' is a symbolic link, which is not followed")

    def test_a_pipe_is_not_waited_for(self):
        digest = digest_of(noise(2000, "after"))
        self.registry.data_file(digest).unlink()
        os.mkfifo(self.registry.data_file(digest))
        self.imported_with(f"blob {digest} of repository 'app': ", "is not a file")

    def test_what_the_registry_has_forgotten(self):
        child, blob = self.content.subject, digest_of(noise(2000, "after"))
        for target in (f"/v2/app/manifests/{child}", f"/v2/app/blobs/{blob}"):
            self.assertEqual(self.registry.request("DELETE", target).status, 202)
        self.imported_with(f"of repository 'app' lacks {child}", f"of repository 'app' lacks {blob}")
        self.assertNotIn("link is missing", self.told)
        server = self.served()
        self.assertStatus(server.request("GET", f"/v2/app/manifests/{child}"), 404)
        self.assertEqual(server.request("GET", "/v2/app/manifests/1.0").status, 200)

    def test_an_index_that_is_not_whole_is_no_problem(self):
        self.assertEqual(self.registry.request("DELETE", f"/v2/app/manifests/{self.content.subject}").status, 202)
        report = self.run_import()
        self.assertEqual((report["problem_count"], report["note_count"]), (0, 1))

    def test_schema_1_is_passed_over(self):
        content = json.dumps({"schemaVersion": 1, "name": "app", "tag": "old", "fsLayers": [], "signatures": []}).encode()
        digest = digest_of(content)
        for file, text in ((self.registry.data_file(digest), content),
                           (self.registry.repository("app") / "_manifests/revisions" / digest.replace(":", "/") / "link",
                            digest.encode()), (self.registry.tag_link("app", "old"), digest.encode())):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text)
        report = self.run_import()
        self.assertEqual((report["problem_count"], report["note_count"]), (0, 2))
        self.assertIn(f"note: manifest {digest} of repository 'app': it has Docker's schema 1", self.told)
        self.assertIn(f"note: tag 'old' of repository 'app' points at {digest}", self.told)


class RefusalTest(ImportCase):
    def test_refusals(self):
        self.refused(self.scratch / "absent", says="absent is not a directory")
        self.refused(self.scratch, says="this is no storage of a docker-registry")
        self.refused("s3://", says="is no bucket's name")
        self.assertFalse(self.data.exists())
        Content(self.registry).image("app", "v1", "one")
        self.refused(self.registry.root, "App", says="'App' is no name of a repository", code=2)
        self.assertFalse(self.data.exists())
        with self.served():
            self.refused(self.registry.root, says="is in use by process")
            self.assertEqual(self.run_import("--dry-run")["new_manifests"], 1)  # which may look beside it
        for arguments in ((), (self.registry.root, "--jobs", "0"), (self.registry.root, "--jobs", "x")):
            done = run_slipway("import", "docker-registry", *arguments, folder=self.scratch)
            self.assertEqual((done.returncode, done.stdout), (2, ""))

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "needs root, to become nobody")
    def test_what_may_not_be_read_is_told(self):
        Content(self.registry).image("app", "v1", "one")
        digest = digest_of(noise(2000, "one"))
        os.chmod(self.registry.data_file(digest), 0)
        for path in (self.scratch, self.registry.root):
            os.chmod(path, 0o777)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", os.environ["SLIPWAY_BIN"],
                               "import", "docker-registry", self.registry.root, "--data", self.data],
                              env=environment(self.scratch), cwd=self.scratch, capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"blob {digest} of repository 'app': ", done.stderr)
        self.assertIn("Permission denied", done.stderr)


if __name__ == "__main__":
    unittest.main()
