"""Exported OCI image layouts: whole, checked, grown by what is new; and other programs read them."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import unittest
from pathlib import Path

from slipway_server import (INDEX, MANIFEST, TEST_STORE, ServerTest, descriptor, digest_of, environment, eventually, files_only,
                            image_manifest, run_slipway, sqlite_only)

SBOM = "application/vnd.example.sbom"
NAME = "org.opencontainers.image.ref.name"
FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar"


def tool(name):
    """The path of a client that Debian does not have; the test is skipped where there is none."""
    script = Path(__file__).resolve().parents[2] / "scripts" / "tools.sh"
    done = subprocess.run(["bash", script, name], capture_output=True, text=True, check=False)
    if done.returncode == 77 and not os.environ.get("CI"):
        raise unittest.SkipTest(f"{name} cannot be had here")
    return done.stdout.strip()


class ExportTest(ServerTest):
    def setUp(self):
        self.server = self.serve()
        self.to = self.server.folder / "layout"

    def run_export(self, *arguments, code=0):
        if TEST_STORE and self.server.process:
            self.server.stop()
        done = run_slipway("export", self.to, *arguments, "--data", self.server.data, "--json", folder=self.server.folder)
        self.assertEqual(done.returncode, code, done.stderr)
        self.told = done.stderr
        return json.loads(done.stdout) if done.stdout else {}

    def image(self, repository, reference, text, **more):
        """A small image and a large layer; returns its manifest's bytes."""
        config, layers = json.dumps({"architecture": "amd64", "os": "linux", "text": text}).encode(), [b"layer " + text.encode(),
                                                                                  text.encode() * 100_000]
        for blob in (config, *layers):
            self.server.push_blob(repository, blob)
        content = image_manifest(config, layers, **more)
        answer = self.server.put_manifest(repository, reference or digest_of(content), content)
        self.assertEqual(answer.status, 201, answer)
        return content

    def fill(self):
        amd, arm = self.image("app", None, "amd"), self.image("app", "arm", "arm")
        self.index = json.dumps({"schemaVersion": 2, "mediaType": INDEX,
                                 "manifests": [descriptor(amd, MANIFEST), descriptor(arm, MANIFEST)]}).encode()
        self.server.put_manifest("app", "1.0", self.index, INDEX)
        self.sbom = self.image("app", None, "sbom", subject=descriptor(amd, MANIFEST), artifactType=SBOM)
        self.signature = self.image("app", None, "signature", subject=descriptor(self.sbom, MANIFEST))
        self.untagged = self.image("app", None, "untagged")
        self.other = self.image("team/other", "v1", "other")

    def entries(self):
        """What index.json lists, once every blob was found to be what its name says."""
        self.assertEqual(json.loads((self.to / "oci-layout").read_text()), {"imageLayoutVersion": "1.0.0"})
        for path in (self.to / "blobs").rglob("*"):
            if path.is_file():
                self.assertEqual(digest_of(path.read_bytes(), path.parent.name), f"{path.parent.name}:{path.name}")
        return json.loads((self.to / "index.json").read_text())["manifests"]

    def names(self):
        return {entry["annotations"][NAME]: entry["digest"] for entry in self.entries() if "annotations" in entry}

    def blob(self, digest):
        return (self.to / "blobs" / digest.replace(":", "/")).read_bytes()

    def test_one_repository(self):
        self.fill()
        report = self.run_export("app")
        self.assertEqual((report["tags"], report["manifests"], report["referrers"], report["copied_blobs"]), (2, 5, 2, 12))
        names = self.names()
        self.assertEqual(set(names), {"1.0", "arm"})
        self.assertEqual(self.blob(names["1.0"]), self.index)
        nameless = {entry["digest"]: entry for entry in self.entries() if "annotations" not in entry}
        self.assertEqual(set(nameless), {digest_of(self.sbom), digest_of(self.signature)})
        self.assertEqual(nameless[digest_of(self.sbom)]["artifactType"], SBOM)
        self.assertFalse((self.to / "blobs/sha256" / digest_of(self.untagged)[7:]).exists())
        self.run_export("app", "--all")
        self.assertEqual(self.blob(digest_of(self.untagged)), self.untagged)
        self.assertEqual(len(self.entries()), 5)

    def test_only_what_is_new_is_written(self):
        self.fill()
        first = self.run_export("app")
        times = {path: path.stat().st_mtime_ns for path in (self.to / "blobs").rglob("*") if path.is_file()}
        again = self.run_export("app")
        self.assertEqual((again["copied_blobs"], again["copied_bytes"], again["kept_blobs"]), (0, 0, first["copied_blobs"]))
        self.assertEqual({path: path.stat().st_mtime_ns for path in times}, times)
        victim = next(path for path, _ in times.items() if path.stat().st_size == 300_000)
        os.truncate(victim, 5)
        (self.to / "blobs/sha256/.slipway-part-7").write_bytes(b"as a kill leaves it")
        self.assertEqual(self.run_export("app")["copied_blobs"], 1)
        self.entries()

    def test_several_repositories_and_parts_of_them(self):
        self.fill()
        self.run_export("app:arm", f"app@{digest_of(self.sbom)}", "team/other")
        self.assertEqual(set(self.names()), {"app:arm", "team/other:v1"})
        self.assertIn(digest_of(self.sbom), {entry["digest"] for entry in self.entries()})
        self.run_export("team/other:v1")  # what was listed stays
        self.assertEqual(set(self.names()), {"app:arm", "team/other:v1", "v1"})

    @files_only
    def test_a_killed_export_lists_nothing_and_is_gone_on_with(self):
        for number in range(30):
            self.image("app", f"t{number}", f"{number:010}")
        command = [os.environ["SLIPWAY_BIN"], "export", self.to, "app", "--jobs", "1", "--data", self.server.data]
        process = subprocess.Popen(command, env=environment(self.server.folder), cwd=self.server.folder)
        eventually(lambda: len(list(self.to.glob("blobs/sha256/?*"))) > 5, "some blobs")
        process.kill()
        process.wait()
        report = self.run_export("app")
        self.assertGreater(report["kept_blobs"], 3)
        self.assertEqual((report["kept_blobs"] + report["copied_blobs"], len(self.names())), (90, 30))

    def test_sha512_and_foreign_layers(self):
        data, config = b"by another name" * 10_000, b"{}"
        self.server.push_blob("app", data, algorithm="sha512")
        self.server.push_blob("app", config)
        manifest = json.loads(image_manifest(config, []))
        manifest["layers"] = [{"mediaType": "x/y", "digest": digest_of(data, "sha512"), "size": len(data)},
                              {"mediaType": FOREIGN, "digest": digest_of(b"elsewhere"), "size": 9}]
        self.assertEqual(self.server.put_manifest("app", "v1", json.dumps(manifest).encode()).status, 201)
        self.assertEqual(self.run_export("app")["copied_blobs"], 2)
        self.assertEqual(self.blob(digest_of(data, "sha512")), data)

    @files_only
    def test_damaged_and_missing_blobs(self):
        self.fill()
        files = {path.read_bytes(): path for path in self.server.store_files("raw")}
        damaged, missing = b"amd" * 100_000, b"arm" * 100_000
        files[damaged].write_bytes(b"AMD" * 100_000)
        files[missing].unlink()
        report = self.run_export("app", code=1)
        self.assertEqual((report["problem_count"], report["tags"], report["copied_blobs"]), (2, 2, 10))
        for blob in (damaged, missing):
            self.assertIn(f"blob {digest_of(blob)} of repository 'app': ", self.told)
            self.assertFalse((self.to / "blobs/sha256" / digest_of(blob)[7:]).exists())
            self.server.push_blob("app", blob)
        self.entries()

    @sqlite_only
    def test_a_damaged_manifest_is_told_of_and_the_rest_exported(self):
        self.fill()
        self.server.stop()
        with contextlib.closing(sqlite3.connect(self.server.data / "catalog.sqlite")) as catalog, catalog:
            catalog.execute("UPDATE manifest SET bytes = ? WHERE bytes = ?", (self.sbom[:-1] + b" ", self.sbom))
        report = self.run_export("app", code=1)
        self.assertEqual(report["problems"],
                         [f"manifest {digest_of(self.sbom)} of repository 'app': its bytes are damaged"])
        self.assertEqual(set(self.names()), {"1.0", "arm"})
        self.assertNotIn(digest_of(self.sbom), {entry["digest"] for entry in self.entries()})
        self.assertEqual(self.blob(digest_of(self.index)), self.index)

    @files_only  # it gives a configuration of its own
    @sqlite_only
    def test_what_a_manifest_too_large_to_be_read_points_at_is_told_of(self):
        self.fill()
        self.server.stop()
        config = self.server.folder / "small.toml"
        config.write_text(f"limits.manifest_bytes = {len(self.index) - 1}\n")
        report = self.run_export("app", "--config", config, code=1)
        self.assertEqual(report["problem_count"], report["manifests"])
        self.assertIn(f"manifest {digest_of(self.index)} of repository 'app': what it points at is not exported", self.told)
        self.assertEqual(self.blob(digest_of(self.index)), self.index)

    def test_an_index_that_is_not_whole_is_no_problem(self):
        self.fill()
        child = digest_of(self.image("app", None, "child"))
        self.server.put_manifest("app", "sparse", json.dumps(
            {"schemaVersion": 2, "mediaType": INDEX,
             "manifests": [{"mediaType": MANIFEST, "digest": child, "size": 5}]}).encode(), INDEX)
        self.assertEqual(self.server.request("DELETE", f"/v2/app/manifests/{child}").status, 202)
        report = self.run_export("app:sparse")
        self.assertEqual((report["problem_count"], report["note_count"]), (0, 1))

    def test_refusals(self):
        self.fill()
        def refused(*arguments, says, code=1):
            self.run_export(*arguments, code=code)
            self.assertIn(says, self.told)
        refused("absent", says="repository 'absent' does not exist")
        refused("app:absent", says="has no tag 'absent'")
        refused("App", says="'App' is neither REPO, REPO:TAG nor REPO@DIGEST", code=2)
        refused("app@sha256:1", says="sha256:1", code=2)
        self.assertFalse(self.to.exists())
        self.to = self.server.folder
        refused("app", says="is neither empty nor an OCI image layout")
        self.assertEqual(run_slipway("export", self.to, folder=self.server.folder).returncode, 2)

    # --- other programs

    def client(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=self.server.folder,
                              env={**os.environ, "HOME": str(self.server.folder), "DOCKER_CONFIG": str(self.server.folder)})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    @unittest.skipUnless(shutil.which("skopeo"), "needs skopeo")
    def test_skopeo_reads_it_and_brings_it_to_another_server(self):
        self.fill()
        self.run_export("app")
        self.assertEqual(self.client("skopeo", "inspect", "--raw", f"oci:{self.to}:1.0").encode(), self.index)
        policy = self.server.folder / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        other = self.serve()
        for tag in ("1.0", "arm"):
            self.client("skopeo", "--policy", policy, "copy", "--all", "--preserve-digests", "--dest-tls-verify=false",
                        f"oci:{self.to}:{tag}", f"docker://{other.url.removeprefix('http://')}/copy:{tag}")
        self.assertEqual(other.request("GET", "/v2/copy/manifests/1.0").body, self.index)
        for text in ("amd", "arm"):
            blob = text.encode() * 100_000
            self.assertEqual(other.request("GET", f"/v2/copy/blobs/{digest_of(blob)}").body, blob)
        self.run_export("app", "team/other")
        self.assertEqual(self.client("skopeo", "inspect", "--raw", f"oci:{self.to}:team/other:v1").encode(), self.other)

    def test_regctl_reads_it(self):
        regctl = tool("regctl")
        self.fill()
        self.run_export("app")
        self.assertEqual(self.client(regctl, "manifest", "get", "--format", "raw-body", f"ocidir://{self.to}:1.0").encode(),
                         self.index)
        self.assertEqual(self.client(regctl, "tag", "ls", f"ocidir://{self.to}").split(), ["1.0", "arm"])

    def test_oras_reads_it_with_what_refers_to_it(self):
        oras = tool("oras")
        self.fill()
        attached = self.image("app", None, "attached", subject=descriptor(self.index, INDEX), artifactType=SBOM)
        self.run_export("app")
        self.assertEqual(self.client(oras, "manifest", "fetch", "--oci-layout", f"{self.to}:1.0").encode(), self.index)
        found = self.client(oras, "discover", "--oci-layout", f"{self.to}:1.0", "--format", "json")
        self.assertIn(digest_of(attached), found)

    def test_crane_reads_it(self):
        crane = tool("crane")
        self.fill()
        self.run_export("app:1.0")
        other = self.serve()
        shutil.rmtree(self.to)
        self.run_export("team/other:v1")
        self.client(crane, "push", self.to, f"{other.url.removeprefix('http://')}/copy:v1", "--insecure")
        self.assertEqual(other.request("GET", "/v2/copy/manifests/v1").body, self.other)


if __name__ == "__main__":
    unittest.main()
