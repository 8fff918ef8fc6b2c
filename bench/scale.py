"""Does a large registry cost more than a small one? Grows one Slipway step by step by pushes, and measures at each.

Tags and manifests grow to a million, repositories to a hundred thousand, referrers of one subject to ten thousand. At
each size: how long a start takes, random tags of all (more than the name cache holds), pages of 100 names at the
beginning, in the middle and at the end of each list, a push of a tag, a deletion, memory, and the catalog's size.
Peers are not grown: at their rate of pushes a million would take most of a day.
"""

import http.client
import json
import os
import random
import statistics
import sys
import time
from pathlib import Path

import cases
import load
import page_cache
import peers

REPOSITORY = "scale/image"
SUBJECT = load.sha256(b"the subject of all")
SIZES = [(10_000, 1000, 1000), (100_000, 10_000, 3000), (1_000_000, 100_000, 10_000)]
QUICK_SIZES = [(300, 300, 200), (3000, 1000, 400)]
ROUNDS, STARTS = 60, 7


def image(**fields):
    """(a manifest that differs in its number alone, the blobs that all of them share)."""
    blobs = [b"{}", b"the layer of all"]
    parts = [{"mediaType": kind, "digest": load.sha256(data), "size": len(data)}
             for kind, data in zip((load.CONFIG, load.LAYER), blobs)]
    manifest = {"schemaVersion": 2, "mediaType": load.MANIFEST, "config": parts[0], "layers": [parts[1]],
                "annotations": {"number": "########"}}
    return json.dumps(manifest | fields), blobs


class Scale:
    def __init__(self, server, seconds):
        self.server, self.seconds, self.client = server, seconds, None
        self.sizes = (0, 0, 0)
        with load.Client(server.base) as client:
            for blob in image()[1]:
                for repository in (REPOSITORY, "scale/subject"):
                    client.push_blob(repository, blob, load.sha256(blob))

    def grow(self, *sizes):
        """Pushes what is missing to (manifests, repositories, referrers) and returns manifests a second."""
        manifests, repositories, referrers = (max(0, new - old) for new, old in zip(sizes, self.sizes))
        base, first = self.server.base, self.sizes
        filled = load.fill(base, f"/v2/{REPOSITORY}/manifests/t########", image()[0], manifests, first=first[0])
        empty = peers.EMPTY_INDEX.decode()
        load.fill(base, "/v2/many/########/manifests/latest", empty, repositories, first=first[1])
        subject = {"mediaType": load.MANIFEST, "size": 2, "digest": SUBJECT}
        load.fill(base, "/v2/scale/subject/manifests/r########", image(subject=subject)[0], referrers, first=first[2])
        self.sizes = sizes
        return filled.requests / filled.seconds

    # --- measuring: milliseconds, microseconds, MiB and bytes, as the keys say

    def measure(self):
        out = {"start, cold": self.start_ms(cold=True)}
        out["tag lookups a second, cold"] = self.lookups().rate
        for path in self.catalog():
            with open(path, "rb") as pages:  # into the page cache again
                while pages.read(load.MIB):
                    pass
        out |= {"start, warm": self.start_ms(cold=False), "RSS after start": self.server.status("VmRSS") / 1024}
        warm = self.lookups()
        out |= {"tag lookups a second, warm": warm.rate, "CPU of a tag lookup": warm.cost}
        out["RSS after lookups"] = self.server.status("VmRSS") / 1024
        with load.Client(self.server.base) as self.client:
            out |= self.pages() | self.changes()
        size = sum(path.stat().st_size for path in self.catalog())
        return out | {"catalog, bytes a manifest": size / self.sizes[0], "catalog, MiB": size / load.MIB}

    def catalog(self):
        return list(self.server.data.glob("catalog.sqlite*"))

    def lookups(self):
        """Random tags of all, over 16 connections."""
        url = f"{self.server.base}/v2/{REPOSITORY}/manifests/t########"
        return cases.requests(self.server, lambda: load.wrk(url, 16, self.seconds, accept=load.MANIFEST,
                                                            numbers=self.sizes[0]))

    def start_ms(self, cold):
        """From exec to the first 200 of /readyz; the median of some starts."""
        spent = []
        for _ in range(STARTS):
            self.server.stop()
            if cold:
                page_cache.forget(self.server.data, Path(self.server.program()))
            spent.append(self.start_once())
        return statistics.median(spent)

    def start_once(self):
        started = time.perf_counter()
        self.server.launch()
        while time.perf_counter() - started < peers.START_SECONDS:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
            try:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return (time.perf_counter() - started) * 1e3
            except OSError:
                time.sleep(0.001)
            finally:
                connection.close()
        raise peers.PeerError("slipway did not get ready")

    def timed(self, method, target_of, listed=None, body_of=lambda number: None):
        """The median of some requests, in microseconds. `listed`: how many names each answer must have."""
        spent = []
        for number in range(ROUNDS):
            target, body = target_of(number), body_of(number)
            started = time.perf_counter()
            _, content = self.client.request(method, target, body, {"Content-Type": load.MANIFEST}, (200, 201, 202))
            spent.append((time.perf_counter() - started) * 1e6)
            if listed and len(next(v for v in json.loads(content).values() if isinstance(v, list))) != listed:
                raise load.LoadError(f"{target} listed something else than {listed} names: {content[:300]!r}")
        return statistics.median(spent)

    def pages(self):
        out = {}
        for where, share in (("first", 0), ("middle", 0.5), ("last", 1)):
            tag, name = (max(0, int(size * share) - 101) for size in self.sizes[:2])
            out[f"100 tags, {where}"] = self.timed(
                "GET", lambda _, t=tag: f"/v2/{REPOSITORY}/tags/list?n=100&last=t{t:08}", 100)
            out[f"100 repositories, {where}"] = self.timed(
                "GET", lambda _, n=name: f"/v2/_catalog?n=100&last=many/{n:08}", 100)
        first = f"/v2/scale/subject/referrers/{SUBJECT}?n=100"
        out["100 referrers, first"] = self.timed("GET", lambda _: first, 100)
        last = self.last_page(first)
        out["100 referrers, last"] = self.timed("GET", lambda _: last, 100)
        return out

    def last_page(self, target):
        while True:
            headers, _ = self.client.request("GET", target)
            if not headers["Link"]:
                return target
            target = headers["Link"].partition("<")[2].partition(">")[0]

    def changes(self):
        fresh = [image()[0].replace("########", random.randbytes(8).hex()).encode() for _ in range(ROUNDS)]
        push = self.timed("PUT", lambda n: f"/v2/{REPOSITORY}/manifests/fresh{n}", body_of=lambda n: fresh[n])
        delete = self.timed("DELETE", lambda n: f"/v2/{REPOSITORY}/manifests/{load.sha256(fresh[n])}")
        return {"push of a tag": push, "deletion of a manifest": delete}


def measure(scratch, seconds, servers_on, load_on, quick=False, most=1_000_000):
    """Figures at each size, as a list of dictionaries."""
    steps = []
    with peers.Slipway(scratch / "scale", servers_on, port=peers.free_port()) as server:
        os.sched_setaffinity(0, load_on)
        scale = Scale(server, seconds)
        for sizes in QUICK_SIZES if quick else [sizes for sizes in SIZES if sizes[0] <= most]:
            started = time.monotonic()
            rate = scale.grow(*sizes)
            print(f"{sizes[0]:,} manifests, {sizes[1]:,} repositories, {sizes[2]:,} referrers after "
                  f"{time.monotonic() - started:.0f} s more: {rate:.0f} pushes a second", file=sys.stderr, flush=True)
            names = dict(zip(("manifests", "repositories", "referrers"), sizes))
            steps.append(names | {"pushes a second while filling": rate} | scale.measure())
    return steps


UNITS = {"start": "ms", "RSS": "MiB", "tag lookups": "", "catalog": "", "pushes": "", "": "µs"}


def table(steps, size="manifests", units=UNITS):
    """Rows for report.text() and report.markdown(): a row a figure, a column a size. `units` by the beginnings of keys,
    for those that do not say it themselves."""
    def unit(key):
        return next((text for beginning, text in units.items() if key.startswith(beginning)), "")

    rows = [["one Slipway, medians", *(f"{step[size]:,}" for step in steps), "last ÷ first"]]
    for key, first in steps[0].items():
        if key != size:
            whole = key in ("repositories", "referrers")
            values = [f"{step[key]:,}" if whole else f"{step[key]:.4g}" for step in steps]
            title = key if whole or not unit(key) else f"{key}, {unit(key)}"
            rows.append([title, *values, f"{steps[-1][key] / first:.2f}"])
    return rows
