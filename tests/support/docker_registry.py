"""A real docker-registry (CNCF distribution, as Debian has it) for tests of what comes from one: its storage in a folder,
or in a bucket.
"""

import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
import unittest
from pathlib import Path

from slipway_server import (DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST, OCTETS, Response, descriptor, digest_of,
                            image_manifest)

MIB = 1 << 20
SBOM = "application/vnd.example.sbom"

ACCEPT = [("Accept", media_type) for media_type in (MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST)]


def require_docker_registry():
    """For setUpModule: where it is not installed there is nothing to test."""
    if not shutil.which("docker-registry"):
        if os.environ.get("CI"):
            raise AssertionError("docker-registry is not installed (./dev installs it)")
        raise unittest.SkipTest("docker-registry is not installed (./dev installs it)")


class DockerRegistry:
    """Starts at once. `storage` is the part of its configuration that says where; by default below `folder`."""

    def __init__(self, folder, storage=None):
        self.folder = Path(folder)
        self.root = self.folder / "registry"
        self.v2 = self.root / "docker" / "registry" / "v2"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = self.folder / "registry.yml"  # JSON is YAML
        config.write_text(json.dumps({
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"delete": {"enabled": True}, **(storage or {"filesystem": {"rootdirectory": str(self.root)}})},
            "http": {"addr": f"127.0.0.1:{self.port}", "secret": "only for this run", "relativeurls": True},
        }))
        # What the machine's owner has set for other clients of S3 is not for this one.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._log = open(self.folder / "registry.log", "wb")
        self.process = subprocess.Popen(["docker-registry", "serve", config], stdin=subprocess.DEVNULL,
                                        stdout=self._log, stderr=self._log, env=kept)
        deadline = time.monotonic() + 30
        while True:
            try:
                assert self.request("GET", "/v2/").status == 200
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise AssertionError((self.folder / "registry.log").read_text(errors="replace")) from None
                time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self._log.close()

    def request(self, method, target, headers=(), body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, target)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Response("HTTP/1.1", answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def push_blob(self, repository, data, algorithm="sha256"):
        """Pushes a blob and returns its digest."""
        digest = digest_of(data, algorithm)
        begun = self.request("POST", f"/v2/{repository}/blobs/uploads/", body=b"")
        assert begun.status == 202, begun
        separator = "&" if "?" in begun["Location"] else "?"
        put = self.request("PUT", f"{begun['Location']}{separator}digest={digest}", [("Content-Type", OCTETS)], data)
        assert put.status == 201, put
        return digest

    def put_manifest(self, repository, reference, content, media_type=MANIFEST):
        """Puts a manifest and returns its digest; `reference` None: by that."""
        digest = digest_of(content)
        put = self.request("PUT", f"/v2/{repository}/manifests/{reference or digest}", [("Content-Type", media_type)],
                           content)
        assert put.status == 201, put
        return digest

    # --- its storage

    def data_file(self, digest):
        return self.v2 / "blobs" / "sha256" / digest[7:9] / digest[7:] / "data"

    def repository(self, name):
        return self.v2 / "repositories" / name

    def layer_link(self, repository, digest):
        return self.repository(repository) / "_layers" / digest.replace(":", "/") / "link"

    def tag_link(self, repository, tag):
        return self.repository(repository) / "_manifests" / "tags" / tag / "current" / "link"


# --- what it may have

def noise(size, seed):
    """Bytes that differ everywhere."""
    return hashlib.shake_128(seed.encode()).digest(size)


def entry(content, media_type, **more):
    return {**descriptor(content, media_type), **more}


def index_of(*entries, media_type=INDEX):
    return json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).encode()


class Content:
    """Pushed to a docker-registry, and what it should be found to be elsewhere."""

    def __init__(self, registry):
        self.registry = registry
        self.manifests, self.tags, self.blobs = set(), {}, set()  # of each: with the repository

    def image(self, repository, tag, seed, layers=(), media_type=MANIFEST, typed=True, **more):
        config = json.dumps({"architecture": "amd64", "seed": seed}).encode()
        contents = [noise(2000, seed), *layers]
        for blob in (config, *contents):
            self.blobs.add((repository, self.registry.push_blob(repository, blob)))
        manifest = json.loads(image_manifest(config, contents, **more))
        manifest["mediaType"] = media_type
        if not typed:
            del manifest["mediaType"]
        return self.manifest(repository, tag, json.dumps(manifest).encode(), media_type)

    def manifest(self, repository, tag, content, media_type):
        digest = self.registry.put_manifest(repository, tag, content, media_type)
        self.manifests.add((repository, digest))
        if tag:
            self.tags[repository, tag] = digest
        return content

    def fill(self):
        """Of everything that a registry has."""
        shared, large = noise(70_000, "shared"), noise(7 * MIB, "large")
        amd, arm = self.image("app", None, "amd", [shared]), self.image("app", None, "arm", [shared, large])
        index = self.manifest("app", "1.0", index_of(entry(amd, MANIFEST, platform={"os": "linux", "architecture": "amd64"}),
                                                     entry(arm, MANIFEST)), INDEX)
        self.manifest("app", "latest", index, INDEX)
        self.manifest("app", "nested", index_of(entry(index, INDEX)), INDEX)
        self.image("app", "moved", "before")
        self.image("app", "moved", "after")
        self.image("app", "untyped", "untyped", typed=False)
        self.image("app", None, "sbom", subject=descriptor(amd, MANIFEST), artifactType=SBOM)
        docker = self.image("team/deep/app", "docker", "docker", [shared], DOCKER_MANIFEST)
        self.manifest("team/deep/app", "list", index_of(entry(docker, DOCKER_MANIFEST), media_type=DOCKER_LIST), DOCKER_LIST)
        self.image("team", "v1", "amd", [large])  # as one of another repository, and above one
        self.blobs.add(("team", self.registry.push_blob("team", b"named by SHA-512", "sha512")))
        self.subject = digest_of(amd)
        return self

    def assert_same(self, test, server):
        """A server answers the same as the registry, byte for byte."""
        def ask(side, target):
            answer = side.request("GET", target, ACCEPT)
            test.assertEqual(answer.status, 200, target)
            return answer

        def compare(target, *fields):
            ours, theirs = ask(server, target), ask(self.registry, target)
            test.assertTrue(ours.body == theirs.body, target)
            for field in fields:
                test.assertEqual(ours[field], theirs[field], target)

        for repository, reference in [*self.tags, *self.manifests]:
            compare(f"/v2/{repository}/manifests/{reference}", "Docker-Content-Digest", "Content-Type")
        for repository, digest in self.blobs:  # of one named by SHA-512 the registry tells the other name
            fields = ["Docker-Content-Digest"] if digest.startswith("sha256:") else []
            compare(f"/v2/{repository}/blobs/{digest}", *fields)
        for repository in {repository for repository, _ in self.blobs}:
            tags = [ask(side, f"/v2/{repository}/tags/list").json()["tags"] for side in (server, self.registry)]
            test.assertEqual(*map(sorted, tags))
        names = [ask(side, "/v2/_catalog").json()["repositories"] for side in (server, self.registry)]
        test.assertEqual(*map(sorted, names))
