"""The storage that a real docker-registry keeps in a bucket is imported, into files and into a bucket."""

import json
import os
import unittest

from docker_registry import Content, DockerRegistry, digest_of, noise, require_docker_registry
from s3_client import Prefix
from slipway_server import Server, ServerTest, run_slipway

setUpModule = require_docker_registry


class ImportFromBucketTest(ServerTest):
    def setUp(self):
        self.scratch = self.folder()
        self.prefix = f"registries/{self.scratch.name}"
        endpoint = os.environ["S3_ENDPOINT"]
        self.registry = self.enterContext(DockerRegistry(self.scratch, {"s3": {
            "accesskey": os.environ["AWS_ACCESS_KEY_ID"], "secretkey": os.environ["AWS_SECRET_ACCESS_KEY"],
            "region": "us-east-1", "regionendpoint": endpoint, "bucket": "servers", "secure": False, "v4auth": True,
            "rootdirectory": f"/{self.prefix}"}, "redirect": {"disable": True}}))
        self.source = f"s3://servers/{self.prefix}?endpoint={endpoint}"
        self.content = Content(self.registry)

    def run_import(self, *arguments, code=0, source=None):
        """Into a bucket, unless the arguments say otherwise."""
        done = run_slipway("import", "docker-registry", source or self.source, *arguments, "--data", self.scratch / "data",
                           "--json", folder=self.scratch, timeout=120)
        self.assertEqual(done.returncode, code, done.stderr)
        self.told = done.stderr
        return json.loads(done.stdout) if done.stdout else {}

    def test_into_a_bucket(self):
        self.content.fill()
        dry = self.run_import("--dry-run")
        first, again = self.run_import("--jobs", "8"), self.run_import()
        self.assertEqual((first["problems"], first["notes"]), ([], []))
        self.assertEqual(dry["copied_bytes"], first["copied_bytes"])
        self.assertEqual((again["copied_blobs"], again["given_blobs"], again["new_manifests"], again["set_tags"]), (0, 0, 0, 0))
        self.content.assert_same(self, self.enterContext(Server(self.scratch)))

    def test_into_files(self):
        self.content.fill()
        (self.scratch / "empty.toml").write_text("")
        done = run_slipway("import", "docker-registry", self.source, "--config", os.devnull, "--data", "files",
                           folder=self.scratch, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("imported 3 repositories", done.stdout)
        done = run_slipway("doctor", "--config", os.devnull, "--deep", "--data", "files", folder=self.scratch)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_many_tags_come_in_pages(self):
        manifest = self.content.image("app", "v1", "one")
        bucket = Prefix(self.source)
        folder = "docker/registry/v2/repositories/app/_manifests/tags"
        for number in range(1100):
            bucket.put(f"{folder}/t{number}/current/link", digest_of(manifest).encode())
        self.assertEqual(self.run_import("--jobs", "16")["set_tags"], 1101)

    def test_damage(self):
        self.content.fill()
        bucket = Prefix(self.source)
        damaged, missing, forgotten = (digest_of(noise(2000, seed)) for seed in ("amd", "arm", "after"))
        bucket.put(f"docker/registry/v2/blobs/sha256/{damaged[7:9]}/{damaged[7:]}/data", b"other")
        bucket.remove(f"docker/registry/v2/blobs/sha256/{missing[7:9]}/{missing[7:]}/data")
        bucket.put(f"docker/registry/v2/repositories/app/_layers/sha256/{forgotten[7:]}/link", b"")
        self.run_import(code=1)
        self.assertIn(f"blob {damaged} of repository 'app': its bytes have digest {digest_of(b'other')}", self.told)
        self.assertIn(f"blob {missing} of repository 'app': ", self.told)
        self.assertIn(f"blob {forgotten} of repository 'app': ", self.told)

    def test_what_is_no_registry(self):
        self.run_import(code=1, source=self.source.replace("registries/", "elsewhere/"))
        self.assertIn("this is no storage of a docker-registry", self.told)
        self.run_import(code=1, source=self.source.replace("servers", "absent"))
        self.assertIn("there is no bucket 'absent'", self.told)


if __name__ == "__main__":
    unittest.main()
