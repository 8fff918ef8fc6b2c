#!/usr/bin/python3
"""Does a page cost the same in a large registry as in a small one? Grows one server step by step and measures at each.

    ./dev bench --scale                 to 100,000 tags in one repository, 100,000 repositories, 10,000 referrers
    ./dev bench --scale --quick         a hundredth of that: shows that it works

At each size: pages of 100 names at the beginning, in the middle and at the end of each list, a push of one tag and the
deletion of one manifest. What counts is the last column: how much dearer it became while everything grew a hundredfold.
"""

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import load
import peers

INDEX = "application/vnd.oci.image.index.v1+json"
SUBJECT = load.sha256(b"the subject of all")
WRITERS = 32
ROUNDS = 60


class Session:
    """A keep-alive connection that checks each answer's status."""

    def __init__(self, base):
        url = urlsplit(base)
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=120)

    def ask(self, method, target, body=None, headers=None, expect=(200, 201, 202)):
        self.connection.request(method, target, body, headers or {})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status not in expect:
            raise load.LoadError(f"{method} {target}: {answer.status} {content[:200]!r}")
        return answer, content


def index(number, **fields):
    """A manifest of its own; an empty index needs no blobs."""
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "number": number} | fields).encode()


class Scale:
    def __init__(self, server):
        self.server, self.session = server, None
        self.tags = self.repositories = self.referrers = 0

    def in_parallel(self, work, items):
        """Calls work(session, item) for all items on several connections; commits of several writers are grouped."""
        items, lock, problems = iter(items), threading.Lock(), []

        def run():
            session = Session(self.server.base)
            while not problems:
                with lock:
                    item = next(items, None)
                if item is None:
                    return
                try:
                    work(session, item)
                except Exception as problem:  # whatever it is ends the run, and is told by whoever waits
                    problems.append(problem)
        threads = [threading.Thread(target=run) for _ in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if problems:
            raise problems[0]

    def grow(self, tags, repositories, referrers):
        def put_tags(session, first):
            content = index(first)
            query = "&".join(f"tag={number:08}" for number in range(first, min(first + 60, tags)))
            session.ask("PUT", f"/v2/large/manifests/{load.sha256(content)}?{query}", content, {"Content-Type": INDEX})

        def put_repository(session, number):
            content = index(0)
            session.ask("PUT", f"/v2/many/{number:08}/manifests/latest", content, {"Content-Type": INDEX})

        def put_referrer(session, number):
            subject = {"mediaType": INDEX, "size": 2, "digest": SUBJECT}
            content = index(number, subject=subject, artifactType="application/even" if number % 2 == 0 else "odd/x")
            session.ask("PUT", f"/v2/large/manifests/{load.sha256(content)}", content, {"Content-Type": INDEX})

        self.in_parallel(put_tags, range(self.tags, tags, 60))
        self.in_parallel(put_repository, range(self.repositories, repositories))
        self.in_parallel(put_referrer, range(self.referrers, referrers))
        self.tags, self.repositories, self.referrers = tags, repositories, referrers

    def timed(self, method, target_of, expect, body_of=lambda number: None, headers=None):
        """The median of some requests, in microseconds. `expect`: the names an answer must list; None: no list."""
        spent = []
        for number in range(ROUNDS):
            target, body = target_of(number), body_of(number)
            started = time.perf_counter()
            _, content = self.session.ask(method, target, body, headers)
            spent.append((time.perf_counter() - started) * 1e6)
            if expect is not None and len(next(v for v in json.loads(content).values() if isinstance(v, list))) != expect:
                raise load.LoadError(f"{target} listed something else than {expect} names: {content[:300]!r}")
        return statistics.median(spent)

    def measure(self):
        self.session = Session(self.server.base)  # one from before the growing would have been idle for too long
        out = {}
        for where, share in (("first", 0), ("middle", 0.5), ("last", 1)):
            tag, name = max(0, int(self.tags * share) - 101), max(0, int(self.repositories * share) - 101)
            out[f"100 tags, {where}"] = self.timed("GET", lambda _, t=tag: f"/v2/large/tags/list?n=100&last={t:08}", 100)
            out[f"100 repositories, {where}"] = self.timed(
                "GET", lambda _, n=name: f"/v2/_catalog?n=100&last=many/{n:08}", 100)
        out["100 referrers, first"] = self.timed("GET", lambda _: f"/v2/large/referrers/{SUBJECT}?n=100", 100)
        out["100 referrers of a type, first"] = self.timed(
            "GET", lambda _: f"/v2/large/referrers/{SUBJECT}?n=100&artifactType=application/even", 100)
        last = self.last_page_of_referrers()
        out["100 referrers, last"] = self.timed("GET", lambda _: last, 100)
        fresh = [index(os.urandom(8).hex()) for _ in range(ROUNDS)]
        out["push of a tag"] = self.timed("PUT", lambda n: f"/v2/large/manifests/fresh{n}", None, lambda n: fresh[n],
                                          {"Content-Type": INDEX})
        out["deletion of a manifest"] = self.timed(
            "DELETE", lambda n: f"/v2/large/manifests/{load.sha256(fresh[n])}", None)
        return out

    def last_page_of_referrers(self):
        target = f"/v2/large/referrers/{SUBJECT}?n=100"
        while True:
            answer, _ = self.session.ask("GET", target)
            link = answer.getheader("Link")
            if not link:
                return target
            target = link[1:link.index(">")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the size")
    sizes = [(1000, 1000, 1000), (10_000, 10_000, 5000), (100_000, 100_000, 10_000)]
    if parser.parse_args().quick:
        sizes = [(200, 200, 200), (1000, 1000, 400)]
    results = []
    with tempfile.TemporaryDirectory(prefix="slipway-scale-") as scratch, peers.Slipway(Path(scratch) / "slipway") as server:
        scale = Scale(server)
        for size in sizes:
            started = time.monotonic()
            scale.grow(*size)
            print(f"{size[0]} tags, {size[1]} repositories, {size[2]} referrers after "
                  f"{time.monotonic() - started:.0f} s more; RSS {server.status('VmRSS') // 1024} MiB",
                  file=sys.stderr, flush=True)
            results.append(scale.measure())
    heads = [f"{tags:,} / {repositories:,} / {referrers:,}" for tags, repositories, referrers in sizes]
    print("| median, µs | " + " | ".join(heads) + " | last ÷ first |")
    print("|---|" + "---:|" * (len(heads) + 1))
    for case in results[0]:
        row = [result[case] for result in results]
        print(f"| {case} | " + " | ".join(f"{value:.0f}" for value in row) + f" | {row[-1] / row[0]:.2f} |")
    print("\nTags in one repository / repositories / referrers of one subject. One client, one keep-alive connection.")


if __name__ == "__main__":
    try:
        main()
    except (load.LoadError, peers.PeerError) as problem:
        sys.exit(f"bench: {problem}")
