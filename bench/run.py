#!/usr/bin/python3
"""Measures Slipway beside Debian's docker-registry and nginx: one machine, one run, the same bytes.

    ./dev bench                       seven rounds, some ten minutes
    ./dev bench --quick               three short rounds: shows that it works, not how fast anything is

The servers run at the same time, and each case visits them in turn, another one first in each round. So a
neighbour's noise on a shared machine meets all of them alike, and ratios can be trusted where rates cannot.
With two or more processors the servers share the first one, and the load generator has another to itself.
"""

import argparse
import dataclasses
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import load
import peers
import report
from report import Metric, Sample

ROOT = Path(__file__).resolve().parent.parent
OURS = peers.Slipway.name

BY_TAG = Metric("GET manifest by tag", "wrk -c64", "req/s", "µs/req")
BY_DIGEST = Metric("GET manifest by digest", "wrk -c64", "req/s", "µs/req")
SMALL_BLOB = Metric("GET 1 MiB blob", "wrk -c16", "MB/s", "ms/GB")
LARGE_BLOB = Metric("GET 100 MiB blob", "wrk -c4", "MB/s", "ms/GB")
DRAINED_BLOB = Metric("GET 100 MiB blob, discarded", "4 connections", "MB/s", "ms/GB")
PUT_ANSWERED = Metric("PUT 100 MiB blob, answered", "1 connection", "MB/s", "ms/GB")
PUT_ON_DISK = Metric("PUT 100 MiB blob, on disk", "1 connection, then sync", "MB/s")


class Bench:
    """The rounds of one run. Results are kept as {metric: {peer: [sample of each round]}}."""

    def __init__(self, servers, image, seconds, puts, threads):
        self.servers, self.image = servers, image
        self.seconds, self.puts, self.threads = seconds, puts, threads
        self.samples = {}

    def prepare(self):
        """Publishes the image everywhere, and checks every URL that is measured: wrk would not notice wrong bytes."""
        for server in self.servers:
            server.publish(self.image)
            with load.Client(server.base) as client:
                for reference in (peers.TAG, self.image.digest):
                    client.check(server.manifest_url(reference), self.image.manifest, {"Accept": load.MANIFEST})
                for digest in (self.image.small, self.image.large):
                    client.check(server.blob_url(digest), self.image.blobs[digest])
        os.sync()

    def cases(self):
        """What a round does with each server, in this order: the writes last, as they leave the disk busy."""
        return [self.manifest_by_tag, self.manifest_by_digest, self.small_blob, self.large_blob, self.drained_blob,
                self.put_blob]

    def round(self, number, keep=True):
        """Measures each case on each server. With keep=False it only warms caches and pools."""
        start = number % len(self.servers)
        order = self.servers[start:] + self.servers[:start]
        fresh = [os.urandom(100 * load.MIB) for _ in range(self.puts)]  # never seen before: nothing can deduplicate
        self.fresh = [(data, load.sha256(data)) for data in fresh]
        for case in self.cases():
            for server in order:
                try:
                    measured = case(server)
                except load.LoadError as error:
                    raise load.LoadError(f"{server.name}: {error}") from error
                for metric, sample in measured.items():
                    if keep:
                        self.samples.setdefault(metric, {}).setdefault(server.name, []).append(sample)

    # --- the cases: each takes a server and returns {metric: sample}

    def manifest_by_tag(self, server):
        return {BY_TAG: self.requests(server, server.manifest_url())}

    def manifest_by_digest(self, server):
        return {BY_DIGEST: self.requests(server, server.manifest_url(self.image.digest))}

    def small_blob(self, server):
        url = server.blob_url(self.image.small)
        return {SMALL_BLOB: self.transfer(server, lambda: load.wrk(url, 16, self.seconds, self.threads))}

    def large_blob(self, server):
        url = server.blob_url(self.image.large)
        return {LARGE_BLOB: self.transfer(server, lambda: load.wrk(url, 4, self.seconds, self.threads))}

    def drained_blob(self, server):
        url = server.blob_url(self.image.large)
        return {DRAINED_BLOB: self.transfer(server, lambda: load.drain(url, 4, self.seconds))}

    def put_blob(self, server):
        """Two figures from one upload: until the answer, and until a sync() after it, which is what it takes for the
        bytes to survive a power cut. A server that has synced already adds next to nothing there."""
        answered, on_disk = [], []
        with load.Client(server.base) as client:
            def upload(data, digest):
                os.sync()  # nobody should pay for the dirty pages of the peer before
                started = time.monotonic()
                server.put(client, data, digest)
                answered.append(time.monotonic() - started)
                os.sync()
                on_disk.append(time.monotonic() - started)

            cpu, peak, _ = self.watch(server, lambda: [upload(*blob) for blob in self.fresh])
        total = sum(len(data) for data, _ in self.fresh)
        return {PUT_ANSWERED: Sample(total / 1e6 / sum(answered), cpu * 1e3 / (total / 1e9), peak),
                PUT_ON_DISK: Sample(total / 1e6 / sum(on_disk))}

    # --- the measuring

    def requests(self, server, url):
        cpu, peak, run = self.watch(server, lambda: load.wrk(url, 64, self.seconds, self.threads, load.MANIFEST))
        return Sample(run.requests / run.seconds, cpu * 1e6 / run.requests, peak, run.latency_ms["p99"])

    def transfer(self, server, loader):
        cpu, peak, run = self.watch(server, loader)
        return Sample(run.bytes / 1e6 / run.seconds, cpu * 1e3 / (run.bytes / 1e9), peak)

    @staticmethod
    def watch(server, work):
        """Runs `work` and returns (server CPU seconds, its peak RSS in KiB, the result)."""
        server.forget_peak()
        before = server.cpu_seconds()
        result = work()
        return server.cpu_seconds() - before, server.status("VmHWM"), result


# --- The command

def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three rounds of one second each")
    parser.add_argument("--rounds", type=int, help="how many measured rounds (7; medians want at least that)")
    parser.add_argument("--seconds", type=int, help="how long each GET case runs in a round (3)")
    parser.add_argument("--puts", type=int, help="uploads in a round, of 100 MiB each (2)")
    parser.add_argument("--peers", default=",".join(peers.PEERS), help="which servers (%(default)s)")
    parser.add_argument("--no-pin", action="store_true", help="let servers and load generator use all processors")
    parser.add_argument("--scratch", help="where the servers keep their data (a directory in TMPDIR)")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json", help="every sample (%(default)s)")
    parser.add_argument("--markdown", type=Path, help="the table once more, as Markdown")
    args = parser.parse_args()
    args.rounds = args.rounds or (3 if args.quick else 7)
    args.seconds = args.seconds or (1 if args.quick else 3)
    args.puts = args.puts or (1 if args.quick else 2)
    return args


def processors(pin):
    """(for the servers, for the load generator): one each, or all for both."""
    available = sorted(os.sched_getaffinity(0))
    if not pin or len(available) < 2:
        return set(available), set(available)
    return {available[0]}, {available[1]}


def choose(names):
    """The server classes that are installed; says what is not."""
    programs = {"slipway": peers.slipway_binary(), "docker-registry": "docker-registry", "nginx": "nginx"}
    chosen = []
    for name in names.split(","):
        if name not in programs:
            sys.exit(f"no peer is called {name}; there are {', '.join(programs)}")
        if peers.find(programs[name]):
            chosen.append(peers.PEERS[name])
        else:
            print(f"{name} is not installed and left out: apt-get install docker-registry nginx-light wrk")
    if not peers.find("wrk"):
        sys.exit("wrk is missing: apt-get install wrk")
    return chosen


def measure(args, scratch, servers_on, load_on):
    """Starts the servers, runs the rounds and returns {metric: {peer: samples}}. Stops what it started."""
    servers = []
    try:
        for peer in choose(args.peers):
            server = peer(scratch / peer.name, servers_on)
            servers.append(server)
            server.start()
        os.sched_setaffinity(0, load_on)
        bench = Bench(servers, load.make_image(), args.seconds, args.puts, threads=len(load_on))
        bench.prepare()
        bench.round(0, keep=False)
        for number in range(args.rounds):
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
            bench.round(number)
        return bench.samples
    finally:
        for server in servers:
            server.stop()


def machine():
    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    return {"processor": models[0] if models else platform.machine(), "processors": len(models),
            "kernel": platform.release(), "versions": peers.versions()}


def notes(args, host, names, servers_on, load_on):
    """What a reader must know to believe the table."""
    durable = [f"  {peer.name} {peer.durable}." for peer in peers.PEERS.values() if peer.name in names]
    where = (f"servers on processor {min(servers_on)}, load generator on {min(load_on)}" if servers_on != load_on
             else "servers and load generator on all processors")
    return "\n".join([
        f"{args.rounds} rounds of {args.seconds} s; {where}; loopback, no TLS, everything in the page cache.",
        f"{host['processors']} × {host['processor']}, Linux {host['kernel']}; "
        + ", ".join(filter(None, host["versions"].values())) + ".",
        "Speed above 1: slipway is faster. CPU below 1: slipway needs less. Each is the median of the rounds' own ratios.",
        "Access logs are off everywhere; docker-registry logs errors only and has its in-memory descriptor cache on.",
        "wrk copies what it receives and is the limit for large blobs: read CPU there; the discarding client is not.",
        "\"on disk\" runs until a sync() after the answer, for all alike:", *durable,
    ])


def main():
    args = arguments()
    servers_on, load_on = processors(not args.no_pin)
    with tempfile.TemporaryDirectory(prefix="slipway-bench-", dir=args.scratch) as scratch:
        samples = measure(args, Path(scratch), servers_on, load_on)
    results = {metric: report.summarize(by_peer, OURS) for metric, by_peer in samples.items()}
    host = machine()
    names = next(iter(samples.values())).keys()
    table, remarks = report.rows(results, OURS), notes(args, host, names, servers_on, load_on)
    print(report.text(table), remarks, sep="\n\n")
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps({
        "machine": host, "rounds": args.rounds, "seconds": args.seconds, "pinned": servers_on != load_on,
        "cases": [{**dataclasses.asdict(metric), "summary": results[metric],
                   "samples": {peer: [dataclasses.asdict(s) for s in seen] for peer, seen in by_peer.items()}}
                  for metric, by_peer in samples.items()],
    }, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if args.markdown:
        args.markdown.write_text(report.markdown(table) + "\n\n" + remarks.replace("\n", "  \n") + "\n", "utf-8")


if __name__ == "__main__":
    try:
        main()
    except (load.LoadError, peers.PeerError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; everything is stopped")
