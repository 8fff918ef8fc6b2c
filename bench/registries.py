"""The registries that Slipway is measured beside: each as shipped, less its logs, and how durable it is by default.

What a server promises was seen with `strace -f -y -e trace=fsync,fdatasync,renameat` and read in its source; zot's is
what its documentation says.
"""

import json
import os

import load
from peers import EMPTY_INDEX, TAGGED, Server, find, free_port


class Distribution(Server):
    """Today's distribution, built from its module by scripts/tools.sh."""

    name = "distribution"
    program_hint = "scripts/tools.sh distribution (wants Go)"
    durable = "syncs each file and the folders of its small ones, not those of blobs, so that a crash can lose a " \
              "blob's name, and verifies the digest"

    @classmethod
    def program(cls):
        return os.environ.get("BENCH_DISTRIBUTION")

    @classmethod
    def version_command(cls):
        return [cls.program(), "--version"]

    def start(self):
        port = free_port()
        config = self.scratch / "config.yml"
        # The descriptor cache is on in the configuration that is shipped. JSON is YAML.
        config.write_text(json.dumps({
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.scratch / "data")},
                        "cache": {"blobdescriptor": "inmemory"}},
            "http": {"addr": f"127.0.0.1:{port}", "secret": "only for this run"},
        }))
        # It would send traces to a collector that is not there.
        self.spawn(self.program(), "serve", config, environment={"OTEL_TRACES_EXPORTER": "none"})
        self.wait_for_port(port)

    @property
    def storage(self):
        return self.scratch / "data/docker/registry/v2"

    @property
    def blobs(self):
        return self.storage / "blobs"  # and not the tags, of which each is a file

    def fill_tags(self, count):
        """Lays out what a listing reads as the storage driver does: pushing 100,000 tags would take many minutes."""
        folder = self.storage / "repositories" / TAGGED / "_manifests/tags"
        for number in range(count):
            current = folder / f"t{number:08}" / "current"
            current.mkdir(parents=True)
            (current / "link").write_text(load.sha256(EMPTY_INDEX))
        return True


class DockerRegistry(Distribution):
    """The same project's 2.8, which is what Debian has and most installations still run."""

    name = "docker-registry"
    program_hint = "apt-get install docker-registry"
    durable = "syncs the files (fsync) but never a directory, so that a crash can lose a name, and verifies the digest"

    @classmethod
    def program(cls):
        return find("docker-registry")


class Zot(Server):
    name = "zot"
    program_hint = "scripts/tools.sh zot (wants Go, and a module proxy that has zot)"
    durable = "syncs blobs because the bench sets storage.commit, which is off by default, and verifies the digest; " \
              "deduplication and garbage collection are on, as they are by default"

    @classmethod
    def program(cls):
        return os.environ.get("BENCH_ZOT")

    @classmethod
    def version_command(cls):
        return [cls.program(), "--version"]

    def start(self):
        port = free_port()
        config = self.scratch / "config.json"
        config.write_text(json.dumps({
            "distSpecVersion": "1.1.1",
            "storage": {"rootDirectory": str(self.scratch / "data"), "commit": True},
            "http": {"address": "127.0.0.1", "port": str(port)},
            "log": {"level": "error"},
        }))
        self.spawn(self.program(), "serve", config)
        self.wait_for_port(port)
