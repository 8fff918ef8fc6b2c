"""What is measured of servers on an object store and a database (services.py); see cases.py.

What was pushed at once is what is pulled afterwards: each round pushes to a server that is new, pulls from it, and then
throws all of it away, for the object store has its data in memory.
"""

import shutil
import tempfile
from functools import partial
from pathlib import Path

import load
import peers
from cases import Case, KIB, MIB, NOT_DONE, SIZES, manifest, requests, transfer
from report import Metric, Sample

AT_ONCE = 32
PUSHES = 4     # of one client, where not the rate is measured
POOR = "slipway-sqlite"  # it has what the manifests' cases need, no more
MANY = 1000    # tags, each of a manifest of its own


class Fresh:
    """A server with an empty store, with a twin that redirects."""

    def __init__(self, context, server):
        self.folder = Path(tempfile.mkdtemp(prefix="fresh-", dir=context.scratch)) / server.name
        self.servers, self.digests = [], []
        try:
            self.servers.append(type(server)(self.folder, server.cpus))
            self.server.start()
            self.server.push("monolithic", 4 * KIB, 4, count=16)  # so that its pools and tables are there
        except Exception:
            self.close()
            raise

    @property
    def server(self):
        return self.servers[0]

    def push_many(self, size):
        listing = self.folder / "digests"
        run = self.server.push("monolithic", size, AT_ONCE, count=AT_ONCE, digests=listing)
        self.digests = listing.read_text().split()
        return run

    def of(self, redirects):
        """The server that sends clients to the store, or the one that does not."""
        if redirects and len(self.servers) == 1:
            self.servers.append(self.server.twin())
        return self.servers[redirects]

    def close(self):
        for server in reversed(self.servers):
            server.stop()
            server.drop()
        shutil.rmtree(self.folder.parent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def many_tags(context, server):
    """Tags at random, of which hardly two are asked for at the same time: what one that all ask for hides."""
    if not isinstance(server, peers.Slipway):
        return NOT_DONE
    path = "/v2/many/manifests/t########"
    if server.name not in context.tagged:
        body = peers.EMPTY_INDEX.decode()[:-1] + ', "annotations": {"number": "########"}}'
        load.fill(server.base, path, body, MANY)
        context.tagged.add(server.name)
    return requests(server, lambda: load.wrk(server.base + path, 64, context.seconds, context.threads, peers.INDEX,
                                             numbers=MANY))


def large(context):
    return SIZES["100 MiB"] if context.large else MIB


def push_many(context, server):
    if server.name == POOR:
        return NOT_DONE
    if old := context.filled.pop(server.name, None):
        old.close()
    fresh = context.filled[server.name] = Fresh(context, server)
    return transfer(fresh.server, lambda: fresh.push_many(large(context)))


def pull_many(redirects, context, server):
    if server.name not in context.filled:
        return NOT_DONE
    fresh = context.filled[server.name]
    source = fresh.of(redirects)
    paths = [source.blob_url(digest, "bench/push").removeprefix(source.base) for digest in fresh.digests]
    return transfer(source, lambda: load.get(source.base, paths, AT_ONCE))


def store_requests(context, server):
    """Of one push, in the mean: those about the journal are made by the clock."""
    if server.name == POOR:
        return NOT_DONE
    with Fresh(context, server) as fresh:
        before = len(server.services.requests(fresh.server.bucket))
        fresh.server.push("monolithic", large(context), 1, count=PUSHES)
        return Sample((len(server.services.requests(fresh.server.bucket)) - before) / PUSHES)


def wait(size, context, server):
    """From the last byte of a push to its 201."""
    if server.name == POOR:
        return NOT_DONE
    with Fresh(context, server) as fresh:
        return Sample(fresh.server.push("monolithic", size if context.large else MIB, 1, count=PUSHES).wait_ms)


def case(name, work, unit, *, cost="", by="", rounds_max=1000, warm_up=False):
    return Case(Metric(name, by, unit, cost), work, rounds_max, warm_up)


def listed():
    for reference in ("tag", "digest"):
        yield case(f"GET manifest by {reference}", partial(manifest, reference, "GET"), "req/s", cost="µs/req",
                   by="64 connections", warm_up=True)
    yield case(f"GET manifest by one of {MANY:,} tags", many_tags, "req/s", cost="µs/req", by="64 connections",
               warm_up=True)
    at_once, by = f"{AT_ONCE} × 100 MiB at once", f"{AT_ONCE} connections"
    yield case(f"push {at_once}", push_many, "MB/s", cost="ms/GB", by=by)
    yield case(f"GET blob, {at_once}, streamed", partial(pull_many, False), "MB/s", cost="ms/GB", by=by)
    yield case(f"GET blob, {at_once}, redirected", partial(pull_many, True), "MB/s", cost="ms/GB", by=by)
    yield case("store requests of a push of 100 MiB", store_requests, "requests", by="1 client", rounds_max=2)
    for size in (16, 100, 400):
        yield case(f"last byte to 201, {size} MiB", partial(wait, size * MIB), "ms", by="1 client")


CASES = [*listed()]
