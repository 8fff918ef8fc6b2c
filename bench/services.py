"""An object store and a database, and the servers that keep their data in them: what `./dev bench --services` compares.

Ceph's object gateway and PostgreSQL are started as the tests start them, both with their data in memory: what they take
for an answer is the same for all servers, and no disk is measured.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

import load
import peers
import registries

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
import ceph_gateway  # noqa: E402
import postgres_server  # noqa: E402
import s3_client  # noqa: E402

STORE_BYTES = 12 << 30  # what Ceph has room for
REQUEST = re.compile(r'beast: \S+ \S+ - \S+ \[[^]]*\] "(\S+) /(\S+?)(?:[/?](\S*))? HTTP')

BY_THE_CLOCK = re.compile(r"^registry/(journal|packs)/|prefix=registry%2Fjournal%2F|^delete=?$")


class Services:
    """A gateway and a database server, of which each measured server gets a bucket and a database of its own."""

    def __init__(self):
        absent = ceph_gateway.missing() + ([] if postgres_server.programs() else ["postgres"])
        if absent:
            raise peers.PeerError(f"not installed: {', '.join(absent)} (./dev bench --services installs them)")
        os.environ.update(AWS_ACCESS_KEY_ID=ceph_gateway.ACCESS_KEY, AWS_SECRET_ACCESS_KEY=ceph_gateway.SECRET_KEY)
        self.count = 0
        # On an address of its own, as an object store is that clients are sent to.
        self.gateway = ceph_gateway.CephGateway("127.0.0.2", STORE_BYTES)
        try:
            self.postgres = postgres_server.PostgresServer()
        except BaseException:
            self.gateway.close()
            raise

    def __enter__(self):
        OnServices.services = self
        return self

    def __exit__(self, *_):
        self.postgres.close()
        self.gateway.close()

    def make_bucket(self):
        self.count += 1
        name = f"bench-{self.count}"
        s3_client.make_bucket(self.gateway.endpoint, name)
        return name

    def make_database(self):
        self.count += 1
        name = f"bench_{self.count}"
        self.postgres.make_database(name)
        return name

    def drop(self, bucket, database):
        """At once: what the gateway would collect later stays in memory until then."""
        self.gateway.remove_bucket(bucket)
        if database:
            self.postgres.run(f"DROP DATABASE {database} WITH (FORCE)")

    def requests(self, bucket):
        """(method, path) of each request so far that was about the bucket's blobs, by the gateway's own log; without what
        Slipway does by the clock: its journal, packs of small blobs that it puts together, and deletions."""
        time.sleep(1)  # its log is written by and by
        log = (self.gateway.folder / "client.rgw.log").read_text(errors="replace")
        return [(method, path) for method, name, path in REQUEST.findall(log)
                if name == bucket and not BY_THE_CLOCK.search(path)]


class OnServices:
    """A server whose data is in a bucket; also a second one on the same data, which sends clients there for blobs."""

    services = None
    redirects = False
    has_database = False

    def __init__(self, scratch, cpus=None, beside=None):
        super().__init__(scratch, cpus)
        self.is_twin = beside is not None
        self.bucket = beside.bucket if beside else self.services.make_bucket()
        self.database = beside.database if beside else self.services.make_database() if self.has_database else None

    def twin(self):
        other = type(self)(self.scratch.parent / f"{self.scratch.name}-redirects", self.cpus, beside=self)
        other.redirects = True
        other.start()
        return other

    def drop(self):
        if not self.is_twin:
            self.services.drop(self.bucket, self.database)


class Slipway(OnServices, peers.Slipway):
    durable = "answers when the object store has the bytes and PostgreSQL has committed the row, and verifies the " \
              "digest"
    has_database = True

    def launch(self):
        url = self.services.postgres.url.rpartition("/")[0]
        catalog = f'catalog.url = "{url}/{self.database}"\n' if self.database else ""
        self.config = (f'store.url = "s3://{self.bucket}/registry?endpoint={self.services.gateway.endpoint}"\n'
                       f'store.redirect = "{"always" if self.redirects else "never"}"\n{catalog}')
        super().launch()


class SlipwaySqlite(Slipway):
    """The same on SQLite, which one server may use: to tell what PostgreSQL costs."""

    name = "slipway-sqlite"
    durable = "the same with SQLite in its data directory"
    has_database = False


class DockerRegistry(OnServices, registries.DockerRegistry):
    durable = "answers when the object store has the bytes, has copied them to where they stay, and has a link; and " \
              "verifies the digest"

    def start(self):
        port = peers.free_port()
        config = self.scratch / "config.yml"
        config.write_text(json.dumps({
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"s3": {"region": "us-east-1", "regionendpoint": self.services.gateway.endpoint,
                               "bucket": self.bucket, "accesskey": ceph_gateway.ACCESS_KEY,
                               "secretkey": ceph_gateway.SECRET_KEY, "secure": False, "v4auth": True},
                        "cache": {"blobdescriptor": "inmemory"},
                        "redirect": {"disable": not self.redirects}},
            "http": {"addr": f"127.0.0.1:{port}", "secret": "only for this run"},
        }))
        # Its driver refuses to start where the environment names certificates, though it is told not to use TLS.
        self.spawn(self.program(), "serve", config, environment={"AWS_CA_BUNDLE": ""})
        self.wait_for_port(port)


PEERS = {peer.name: peer for peer in (Slipway, SlipwaySqlite, DockerRegistry)}
