"""What does one changed file cost, the larger its folder is? One folder grows from a thousand files to a million.

Each time what was added is published to the same channel of one Slipway; then a file is changed and the folder is
published again, some times: seconds, requests, bytes, the processor time of both sides. All files are in memory, as
those of a folder are that was made just now: to read it from a slow disk takes what that takes.
"""

import os
import random
import statistics
import sys
import time
from functools import partial

import cases
import load
import peers
import scale

NAME = "bench/grown"
SIZES = (1000, 10_000, 100_000, 1_000_000)
QUICK_SIZES = (300, 3000)
A_FOLDER = 1000
ASKED = 50_000  # random files, so that no cache of a few thousand helps
CHANGES = 3


def path_of(number):
    return f"{number // A_FOLDER:04}/{number % A_FOLDER:03}.html"


def write(folder, first, last):
    """Tiny files; one directory is held at a time, which is twice as fast as whole paths are."""
    for start in range(first - first % A_FOLDER, last, A_FOLDER):
        below = folder / f"{start // A_FOLDER:04}"
        below.mkdir(parents=True, exist_ok=True)
        directory = os.open(below, os.O_RDONLY)
        for number in range(max(first, start), min(last, start + A_FOLDER)):
            file = os.open(f"{number % A_FOLDER:03}.html", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=directory)
            os.write(file, f"<p>page {number} of many".encode())
            os.close(file)
        os.close(directory)


class Growth:
    def __init__(self, server, folder, seconds):
        self.server, self.folder, self.seconds, self.count = server, folder, seconds, 0

    def publish(self):
        """(what the client tells, the server's CPU seconds meanwhile, its peak RSS in MiB)."""
        os.sync()
        cpu, peak, told = cases.watch(self.server, lambda: self.server.publish_folder(self.folder, NAME))
        if told.files != self.count:
            raise load.LoadError(f"{told.files} files were published instead of {self.count}")
        return told, cpu, peak / 1024

    def grow(self, count):
        """Publishes what is missing to so many files."""
        before, self.count = self.count, count
        write(self.folder, before, count)
        told, cpu, peak = self.publish()
        return {"adding files, files a second": (count - before) / told.seconds,
                "adding files, server's CPU, µs a file": cpu * 1e6 / (count - before),
                "adding files, server's memory, MiB": peak}

    def change_one(self):
        """Of one publish with one changed file."""
        path = path_of(random.randrange(self.count))
        content = f"<p>changed to {random.randbytes(8).hex()}".encode()
        (self.folder / path).write_bytes(content)
        told, cpu, peak = self.publish()
        started = time.perf_counter()
        with load.Client(self.server.base) as client:
            client.check(f"{self.server.base}/{NAME}/{path}", content)
        return {"one change, s": told.seconds, "one change, requests": told.requests,
                "one change, objects sent": told.objects, "one change, KiB sent": told.kib,
                "one change, server's CPU, ms": cpu * 1e3, "one change, client's CPU, ms": told.client_cpu * 1e3,
                "one change, client's memory, MiB": told.client_mib, "one change, server's memory, MiB": peak,
                "the changed page for the first time, ms": (time.perf_counter() - started) * 1e3}

    def change_none(self):
        told, cpu, _ = self.publish()
        return {"no change, s": told.seconds, "no change, requests": told.requests,
                "no change, server's CPU, ms": cpu * 1e3}

    def pages(self):
        numbers = random.sample(range(self.count), min(ASKED, self.count))
        paths = [f"/{NAME}/{path_of(number)}" for number in numbers]
        fetch = partial(load.wrk, self.server.base, 64, self.seconds, paths=paths)
        fetch()  # so that what there is room for is known
        seen = cases.requests(self.server, fetch)
        return {"random pages, requests a second": seen.rate, "random pages, server's CPU, µs": seen.cost}

    def measure(self):
        return medians(self.change_one) | medians(self.change_none) | self.pages()


def medians(work):
    seen = [work() for _ in range(CHANGES)]
    return {key: statistics.median(one[key] for one in seen) for key in seen[0]}


def measure(scratch, seconds, servers_on, load_on, quick=False, most=1_000_000):
    """Figures at each size, as a list of dictionaries."""
    steps = []
    with peers.Slipway(scratch / "site-scale", servers_on) as server:
        os.sched_setaffinity(0, load_on)
        growth = Growth(server, scratch / "grown", seconds)
        for count in QUICK_SIZES if quick else [count for count in SIZES if count <= most]:
            started = time.monotonic()
            steps.append({"files": count} | growth.grow(count))
            print(f"{count:,} files after {time.monotonic() - started:.0f} s more", file=sys.stderr, flush=True)
            steps[-1] |= growth.measure()
    return steps


def table(steps):
    return scale.table(steps, "files", units={})
