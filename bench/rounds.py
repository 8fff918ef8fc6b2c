"""The rounds of one run: who is measured when, and what is kept of it.

The servers run at the same time, and each case visits them in turn, another one first in each round. So a neighbour's
noise on a shared machine meets all of them alike, and ratios can be trusted where rates cannot.
"""

import os
import sys
import time

import cases
import load
import page_cache
import peers
import registries
from cases import NOT_DONE

# In the order of the tables: ours, then from the nearest relative to the farthest.
PEERS = {peer.name: peer for peer in (peers.Slipway, registries.DockerRegistry, registries.Distribution, registries.Zot,
                                      peers.Nginx)}


def choose(names, known):
    """(the server classes that can be had, {name: how to get it} of those that cannot), of those known by name."""
    unknown = set(names) - set(known)
    if unknown:
        raise peers.PeerError(f"no peer is called {', '.join(unknown)}; there are {', '.join(known)}")
    wanted = [peer for name, peer in known.items() if name in names]
    return [peer for peer in wanted if peer.program()], {p.name: p.program_hint for p in wanted if not p.program()}


class Rounds:
    """Results are kept as {metric: {peer: [sample of each round]}}; None is a round in which the server failed.

    A failure is told and remembered, and the run goes on: half an hour of other figures are not thrown away for it.
    """

    def __init__(self, servers, context, chosen):
        self.servers, self.context, self.cases = servers, context, chosen
        self.samples, self.failures, self.started = {}, [], time.monotonic()

    def prepare(self, tags):
        """Publishes everything everywhere, and checks each URL that is measured: a load generator would not notice
        wrong bytes."""
        for server in self.servers:
            server.publish(self.context.image)
            server.publish_files(self.context.files)
            with load.Client(server.base) as client:
                for reference in (peers.TAG, self.context.image.digest):
                    client.check(server.manifest_url(reference), self.context.image.manifest,
                                 {"Accept": load.MANIFEST})
                for digest in self.context.hot.values():
                    client.check_digest(server.blob_url(digest), digest)
            if any(case.metric.title.startswith("list") for case in self.cases) and server.fill_tags(tags):
                self.context.tagged.add(server.name)
        os.sync()

    def run(self, count):
        self.round(0, [case for case in self.cases if case.warm_up], keep=False)
        for number in range(count):
            self.tell(f"round {number + 1} of {count}")
            self.round(number, [case for case in self.cases if number < case.rounds_max])

    def round(self, number, chosen, keep=True):
        """Measures each case on each server. With keep=False it only warms caches and pools."""
        os.sync()  # what the pushes of the round before have left to write
        start = number % len(self.servers)
        order = self.servers[start:] + self.servers[:start]
        for case in chosen:
            for server in order:
                seen = self.measure(case, server)
                if keep and seen is not NOT_DONE:
                    by_peer = self.samples.setdefault(case.metric, {peer.name: [] for peer in self.servers})
                    by_peer[server.name].append(seen)

    def measure(self, case, server):
        try:
            return case.work(self.context, server)
        except (load.LoadError, peers.PeerError) as error:
            self.failures.append(f"{case.metric.title}, {server.name}: {' '.join(str(error).split())}")
            self.tell(f"failed: {self.failures[-1]}")
            return None

    def tell(self, what):
        print(f"{time.monotonic() - self.started:5.0f} s  {what}", file=sys.stderr, flush=True)

    def results(self):
        """The samples, without the servers that cannot do a case."""
        return {metric: {peer: seen for peer, seen in by_peer.items() if seen}
                for metric, by_peer in self.samples.items()}


def measure(chosen, peer_classes, scratch, settings, servers_on, load_on):
    """Starts the servers, runs the rounds and returns ({metric: {peer: samples}}, failures). Stops what it started."""
    servers, context = [], None
    try:
        for peer in peer_classes:
            server = peer(scratch / peer.name, servers_on)
            servers.append(server)
            server.start()
        os.sched_setaffinity(0, load_on)
        files, hot, cold = cases.make_contents(scratch, large=settings["large"] and not settings.get("services"))
        context = cases.Context(load.make_image(4 * cases.KIB, cases.MIB), files, hot, cold, settings["seconds"],
                                settings["large_pushes"], len(load_on), scratch, page_cache.Ballast(scratch),
                                settings["large"])
        rounds = Rounds(servers, context, chosen)
        rounds.prepare(settings["tags"])
        rounds.run(settings["rounds"])
        return rounds.results(), rounds.failures
    finally:
        for server in servers:
            server.stop()
        for fresh in context.filled.values() if context else ():
            fresh.close()
