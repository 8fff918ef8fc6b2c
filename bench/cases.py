"""What is measured: each case takes a server, loads it, and returns what was seen as a Sample.

Which cases there are is one list, CASES. A case that a server cannot do returns NOT_DONE; nginx has no tags to list.
"""

import hashlib
import os
import random
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Callable, NamedTuple

import load
import page_cache
import peers
from report import Metric, Sample

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZES = {"4 KiB": 4 * KIB, "1 MiB": MIB, "100 MiB": 100 * MIB, "1 GiB": GIB}
MEMORY_ROUNDS = 2  # each moves 6 GB a server, and what memory it takes hardly varies
PUSH_SECONDS = 1   # of small contents; the servers are new each time, so that more would only cost disk
NOT_DONE = "not done"


class Case(NamedTuple):
    metric: Metric
    work: Callable  # (context, server) -> Sample or NOT_DONE
    rounds_max: int = 1000
    warm_up: bool = False  # whether an unmeasured round before the first one changes anything


@dataclass
class Context:
    """What the cases of one run share."""
    image: load.Image
    files: dict  # {digest: path}: what the servers serve besides the image
    hot: dict    # {size's name: digest}
    cold: dict   # {size's name: digests}: each fetched once, from the disk
    seconds: int
    large_pushes: int  # of one client, 100 MiB each
    threads: int       # of wrk
    scratch: Path
    ballast: page_cache.Ballast
    large: bool = True  # contents of 100 MiB and more
    filled: dict = field(default_factory=dict)  # {server's name: service_cases.Fresh}
    tagged: set = field(default_factory=set)  # the servers whose tags can be listed


def make_contents(scratch, large=True):
    """Files of random bytes below scratch/contents: (files, hot, cold) of a Context."""
    folder = scratch / "contents"
    folder.mkdir()
    counts = {"4 KiB": 512, "1 MiB": 256, "100 MiB": 6, "1 GiB": 1} if large else {"4 KiB": 64, "1 MiB": 8}
    files, hot, cold = {}, {}, {}
    for name, count in counts.items():
        digests = []
        for _ in range(count):
            digest, path = random_file(folder, SIZES[name])
            files[digest] = path
            digests.append(digest)
        hot[name], cold[name] = digests[0], digests
    return files, hot, cold


def random_file(folder, size):
    """(digest, path) of a new file of random bytes, made piece by piece."""
    state, path = hashlib.sha256(), folder / "new"
    with open(path, "wb") as out:
        for start in range(0, size, MIB):
            piece = random.randbytes(min(MIB, size - start))
            state.update(piece)
            out.write(piece)
    digest = f"sha256:{state.hexdigest()}"
    return digest, path.rename(folder / digest)


# --- Measuring

def watch(server, work):
    """Runs `work` and returns (server CPU seconds, its peak RSS in KiB, the result)."""
    server.forget_peak()
    before = server.cpu_seconds()
    result = work()
    return server.cpu_seconds() - before, server.status("VmHWM"), result


def requests(server, work):
    """A Sample in requests a second and microseconds of CPU for each."""
    cpu, peak, run = watch(server, work)
    return Sample(run.requests / run.seconds, cpu * 1e6 / run.requests, peak, run.latency_ms["p99"])


def transfer(server, work):
    """A Sample in MB/s and milliseconds of CPU a GB."""
    cpu, peak, run = watch(server, work)
    return Sample(run.bytes / 1e6 / run.seconds, cpu * 1e3 / (run.bytes / 1e9), peak, run.latency_ms["p99"])


class Fresh:
    """A second server of the same kind, with nothing in it and gone afterwards: a push meets the same store in each
    round, and a run needs 25 GB of disk at once instead of 150.

    Many small files are kept until the run ends: ext4 hands out no inode within a minute of its deletion, and whoever
    makes files meanwhile pays for looking through them.
    """

    def __init__(self, context, server, many_files=False):
        self.many_files = many_files
        self.folder = Path(tempfile.mkdtemp(prefix="fresh-", dir=context.scratch)) / server.name
        self.server = type(server)(self.folder, server.cpus)

    def __enter__(self):
        try:
            self.server.start()
        except Exception:
            self.__exit__()
            raise
        return self.server

    def __exit__(self, *_):
        self.server.stop()
        if not self.many_files:
            shutil.rmtree(self.folder.parent)


# --- GETs

def manifest(reference, method, context, server):
    url = server.manifest_url(peers.TAG if reference == "tag" else context.image.digest)
    if method == "GET":
        return requests(server, lambda: load.wrk(url, 64, context.seconds, context.threads, load.MANIFEST))
    path = url.removeprefix(server.base)
    return requests(server, lambda: load.get(server.base, [path], 16, context.seconds, "HEAD"))


def hot_blob(size, connections, context, server):
    if size not in context.hot:
        return NOT_DONE
    url = server.blob_url(context.hot[size])
    if SIZES[size] < MIB:
        return requests(server, lambda: load.wrk(url, connections, context.seconds, context.threads))
    path = url.removeprefix(server.base)
    load.get(server.base, [path], 1)  # the cold cases of the round before have put it out of the page cache
    return transfer(server, lambda: load.get(server.base, [path], connections, context.seconds))


def cold_blob(size, connections, context, server):
    if size not in context.cold:
        return NOT_DONE
    paths = [server.blob_url(digest).removeprefix(server.base) for digest in context.cold[size]]
    fetch_all = partial(load.get, server.base, paths, min(connections, len(paths)))
    fetch_all()  # so that a virtual disk's host has all of them in memory, or none
    page_cache.forget(server.blobs)
    if SIZES[size] > MIB:
        context.ballast.make_room(len(paths) * SIZES[size])
    measure = requests if SIZES[size] < MIB else transfer
    return measure(server, fetch_all)


def tag_list(context, server):
    """All tags, page by page where the server makes pages, as a client that mirrors does."""
    if server.name not in context.tagged:
        return NOT_DONE

    def list_all():
        lists, latencies, started = 0, [], time.monotonic()
        with load.Client(server.base) as client:
            while not lists or time.monotonic() - started < context.seconds:
                began, target = time.monotonic(), f"/v2/{peers.TAGGED}/tags/list"
                while target:
                    headers, _ = client.request("GET", target)
                    target = headers["Link"] and headers["Link"].partition("<")[2].partition(">")[0]
                lists += 1
                latencies.append((time.monotonic() - began) * 1e3)
        return load.Run(lists, 0, time.monotonic() - started, {"p99": max(latencies)})

    return requests(server, list_all)


# --- Pushes

def push(style, size, clients, context, server):
    if style not in server.push_styles or size not in context.hot:
        return NOT_DONE
    pieces = {"4 KiB": 1, "1 MiB": 4, "100 MiB": 10}[size]
    count = context.large_pushes if clients == 1 else clients
    limits = {"count": count} if SIZES[size] > MIB else {"seconds": PUSH_SECONDS}
    with Fresh(context, server, many_files=SIZES[size] < MIB) as fresh:
        fresh.push(style, 4 * KIB, clients, count=4 * clients)  # so that its pools and tables are there
        os.sync()  # nobody should pay for the dirty pages of the peer before
        if SIZES[size] > MIB:
            context.ballast.make_room(count * SIZES[size])
        measure = requests if SIZES[size] < MIB else transfer
        return measure(fresh, lambda: fresh.push(style, SIZES[size], clients, pieces, **limits))


def push_until_on_disk(context, server):
    """One client's 100 MiB until a sync() after the answers, which is what it takes for the bytes to survive a power
    cut. A server that has synced already adds next to nothing there."""
    if "100 MiB" not in context.hot:
        return NOT_DONE

    def push_and_sync(fresh):
        run, started = fresh.push("monolithic", SIZES["100 MiB"], 1, count=context.large_pushes), time.monotonic()
        os.sync()
        run.seconds += time.monotonic() - started
        return run

    with Fresh(context, server) as fresh:
        fresh.push("monolithic", 4 * KIB, 1, count=4)
        os.sync()
        context.ballast.make_room(context.large_pushes * SIZES["100 MiB"])
        return transfer(fresh, lambda: push_and_sync(fresh))


# --- Memory

def memory_idle(context, server):
    with Fresh(context, server) as fresh:
        time.sleep(1)
        return Sample(fresh.status("VmRSS") / 1024)


def memory_slow_readers(count, context, server):
    """The server that serves the GETs, for it has what is read; nothing else loads it meanwhile."""
    size = "100 MiB" if "100 MiB" in context.hot else "1 MiB"
    server.forget_peak()
    with load.SlowReaders(server.blob_url(context.hot[size]), count) as readers:
        readers.read(context.seconds + 1)
        return Sample(server.status("VmHWM") / 1024)


def memory_pushes(count, context, server):
    size = SIZES["100 MiB"] if "100 MiB" in context.hot else MIB
    with Fresh(context, server) as fresh:
        fresh.forget_peak()
        fresh.push("monolithic", size, count, count=count)
        return Sample(fresh.status("VmHWM") / 1024)


# --- The list

def case(name, work, *, rate="req/s", by="", rounds_max=1000, warm_up=False, **parameters):
    cost = {"req/s": "µs/req", "MB/s": "ms/GB", "push/s": "µs/push", "lists/s": "µs/list"}.get(rate, "")
    metric = Metric(name, by, rate, cost)
    return Case(metric, partial(work, *parameters.values()), rounds_max, warm_up)


def gets():
    for method, connections in (("GET", 64), ("HEAD", 16)):
        for reference in ("tag", "digest"):
            yield case(f"{method} manifest by {reference}", manifest, by=f"{connections} connections", warm_up=True,
                       reference=reference, method=method)
    connections = {"4 KiB": 64, "1 MiB": 16, "100 MiB": 4, "1 GiB": 2}
    for heat, work in (("hot", hot_blob), ("cold", cold_blob)):
        for size, count in connections.items():
            rate = "req/s" if SIZES[size] < MIB else "MB/s"
            count = min(count, {"100 MiB": 2, "1 GiB": 1}.get(size, 16)) if heat == "cold" else count
            yield case(f"GET blob {size}, {heat}", work, rate=rate, by=f"{count} connections", warm_up=heat == "hot",
                       size=size, connections=count)
    yield case("list all tags", tag_list, rate="lists/s", by="1 connection", warm_up=True)


def pushes():
    for size in ("4 KiB", "1 MiB", "100 MiB"):
        for clients in (1, 16):
            for style in ("monolithic", "chunked"):
                yield case(f"push {size} {style}, {clients} client{'s' * (clients > 1)}", push,
                           rate="push/s" if size == "4 KiB" else "MB/s", by="POST, PUT" if style == "monolithic" else
                           "POST, PATCH…, PUT", style=style, size=size, clients=clients)
    yield case("push 100 MiB, until on disk, 1 client", push_until_on_disk, rate="MB/s", by="POST, PUT, sync")


def memory():
    yield case("memory: idle", memory_idle, rate="MiB", by="RSS", rounds_max=MEMORY_ROUNDS)
    yield case("memory: 500 slow readers", memory_slow_readers, rate="MiB", by="peak RSS", rounds_max=MEMORY_ROUNDS,
               count=500)
    yield case("memory: 64 pushes of 100 MiB at once", memory_pushes, rate="MiB", by="peak RSS",
               rounds_max=MEMORY_ROUNDS, count=64)


# The writes come last, as they leave the disk busy.
CASES = [*gets(), *pushes(), *memory()]
