#!/usr/bin/python3
"""Floods a server with clients that hold on and hardly move, and measures what the others get meanwhile.

    tests/faults/flood.py                            each kind alone and all at once, against $SLIPWAY_BIN; minutes
    tests/faults/flood.py --only readers             one kind
    tests/faults/flood.py --rate 100 --seconds 20    slower than min_rate, longer than rate_window: they are cut off

Four kinds: *half heads* send a part of a request's head and stay, *readers* fetch a large blob at 1 KiB/s, *uploaders*
send one at 1 KiB/s, *idle* ones keep a connection after one request. They come from 127.0.0.2 and up, the others (wrk)
from 127.0.0.1, so that a limit counted for each client address can tell them apart.

flood_clients.py has the clients; test_flood.py is the short version of this for every build.
"""

import argparse
import collections
import os
import statistics
import sys
import tempfile
import time
import typing
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
import load  # noqa: E402 (it lies beside the benchmarks)
import peers  # noqa: E402
import report  # noqa: E402
from flood_clients import Flood, raise_file_limit  # noqa: E402

LIMITS = '[limits]\nconnections = 20000\nconnections_per_client = 12000\nhead_timeout = "2s"\nidle_timeout = "10m"\n'
COUNTS = {"half_heads": 8, "readers": 500, "uploaders": 500, "idle": 10_000}


def sockets(server):
    """How many sockets the server holds, as the kernel has it."""
    count = 0
    for pid in server.pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                count += os.readlink(entry).startswith("socket:")
            except FileNotFoundError:
                pass  # closed while we looked
    return count


def settle(server, at_most, seconds=30):
    """Waits until the server holds no more sockets than that; returns how many it does."""
    deadline = time.monotonic() + seconds
    while (count := sockets(server)) > at_most and time.monotonic() < deadline:
        time.sleep(0.2)
    return count


# --- The measurement

class Figure(typing.NamedTuple):
    """Something measured in each interval, and whether its ratio means anything."""
    title: str
    form: str
    has_ratio: bool = False


FIGURES = {
    "manifests": Figure("manifest GET, req/s", "{:.0f}", True),
    "p99": Figure("manifest GET, p99 ms", "{:.1f}"),
    "blobs": Figure("1 MiB blob GET, MB/s", "{:.0f}", True),
    "failures": Figure("failed requests of others", "{:.0f}"),
    "sockets": Figure("server's sockets", "{:.0f}"),  # unlike "held": a client learns late that it was cut off
    "rss": Figure("server's RSS, MiB", "{:.0f}"),
    "kernel": Figure("TCP buffers in the kernel, MiB", "{:.0f}"),
    "threads": Figure("server's threads", "{:.0f}"),
    "server_cpu": Figure("server's CPU, processors", "{:.2f}"),
    "flood_cpu": Figure("the flood's own CPU, processors", "{:.2f}"),
}
HEADER = ["flood", "", "before", "during", "after", "during ÷ around it"]


class Scenario:
    """One mixture of hostile clients, measured in intervals off, on, off, on, …, off.

    wrk drifts by 15 % on a shared machine, so each interval with the flood is compared with the two around it.
    """

    def __init__(self, server, image, seconds):
        self.server, self.image, self.seconds = server, image, seconds
        self.off, self.on, self.held = [], [], []

    def run(self, counts, rounds, rate):
        """Measures, and returns a sentence on how the hostile connections fared."""
        quiet, left = sockets(self.server), 0
        path = urlsplit(self.server.blob_url(self.image.large)).path
        opened, refused, ended = collections.Counter(), collections.Counter(), collections.Counter()
        self.off.append(self.interval())
        for _ in range(rounds):
            with Flood(self.server.base, path, rate) as flood:
                for kind, count in counts.items():
                    flood.open(kind, count)
                time.sleep(1)
                self.on.append(self.interval(flood))
                self.held.append(flood.held())
            opened += flood.opened
            refused += flood.refused
            ended += collections.Counter(f"{end.kind} by {end.status or 'closing'}" for end in flood.closed)
            left = max(left, settle(self.server, quiet) - quiet)
            self.off.append(self.interval())
        return (f"opened {opened.total()}, refused {refused.total()}, sockets left over {left}, ended by the server: "
                + (", ".join(f"{count} {what}" for what, count in sorted(ended.items())) or "none"))

    def interval(self, flood=None):
        """Loads the server as the others would, and returns what FIGURES names."""
        server, started = self.server, time.monotonic()
        server_cpu, flood_cpu = server.cpu_seconds(), flood.cpu_seconds if flood else 0
        manifest = load.wrk(server.manifest_url(), 32, self.seconds, accept=load.MANIFEST, strict=False)
        blob = load.wrk(server.blob_url(self.image.small), 4, self.seconds, strict=False)
        elapsed = time.monotonic() - started
        return {"manifests": manifest.requests / manifest.seconds, "p99": manifest.latency_ms["p99"],
                "blobs": blob.bytes / 1e6 / blob.seconds, "failures": manifest.failures + blob.failures,
                "sockets": sockets(server), "threads": server.status("Threads"),
                "rss": server.status("VmRSS") / 1024, "kernel": tcp_buffers_mib(),
                "server_cpu": (server.cpu_seconds() - server_cpu) / elapsed,
                "flood_cpu": (flood.cpu_seconds - flood_cpu) / elapsed if flood else 0}

    def rows(self, name):
        for i, (key, figure) in enumerate(FIGURES.items()):
            off, on = [interval[key] for interval in self.off], [interval[key] for interval in self.on]
            phases = [figure.form.format(statistics.median(part)) for part in (off[:1], on, off[1:])]
            around = [(before + after) / 2 for before, after in zip(off, off[1:])]
            ratio = ""
            if figure.has_ratio:
                ratio = report.between(report.spread([during / other for during, other in zip(on, around)]))
            yield [name if i == 0 else f"{min(self.held)} held" if i == 1 else "", figure.title, *phases, ratio]


def tcp_buffers_mib():
    """What all TCP sockets of this machine hold in buffers; a slow reader's bytes lie there, in no process's RSS."""
    line = next(line.split() for line in Path("/proc/net/sockstat").read_text().splitlines() if line.startswith("TCP:"))
    return int(line[line.index("mem") + 1]) * os.sysconf("SC_PAGE_SIZE") / load.MIB


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind, count in COUNTS.items():
        parser.add_argument("--" + kind.replace("_", "-"), type=int, default=count, help="how many (%(default)s)")
    parser.add_argument("--only", choices=[*(kind.replace("_", "-") for kind in COUNTS), "all"],
                        help="one scenario; 'all' is all kinds at once")
    parser.add_argument("--rate", type=int, default=1024, help="bytes a second of the slow ones (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="intervals with the flood on (%(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="of wrk on each URL in an interval (%(default)s)")
    parser.add_argument("--config", type=Path, help="configuration of the server, instead of one with wide limits")
    parser.add_argument("--scratch", help="where the server keeps its data (a directory in TMPDIR)")
    return parser.parse_args()


def main():
    args = arguments()
    if not peers.find("wrk"):
        sys.exit("wrk is missing: apt-get install wrk")
    counts = {kind: getattr(args, kind) for kind in COUNTS}
    scenarios = {kind.replace("_", "-"): {kind: count} for kind, count in counts.items()} | {"all": counts}
    files = raise_file_limit(65536)
    if files < sum(counts.values()) + 1000:
        sys.exit(f"only {files} files may be open; run as root, or with fewer connections")

    table = [HEADER]
    with tempfile.TemporaryDirectory(prefix="slipway-flood-", dir=args.scratch) as scratch:
        config = args.config.read_text() if args.config else LIMITS
        with peers.Slipway(Path(scratch) / "server", config=config) as server:
            image = load.make_image()
            server.publish(image)
            load.wrk(server.manifest_url(), 32, 1, accept=load.MANIFEST)
            for name in [args.only] if args.only else scenarios:
                scenario = Scenario(server, image, args.seconds)
                print(f"{name}: {scenario.run(scenarios[name], args.rounds, args.rate)}", flush=True)
                table += [[], *scenario.rows(name)]
    print("", report.text(table), "", sep="\n")
    print(f"Medians of {args.rounds} intervals, each {args.seconds} s of wrk -c32 for the manifest and of wrk -c4 for "
          f"the blob.\nServer, flood and wrk share {os.cpu_count()} processors.")


if __name__ == "__main__":
    try:
        main()
    except (load.LoadError, peers.PeerError) as error:
        sys.exit(f"flood: {error}")
