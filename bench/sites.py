"""What is measured of trees as sites: serving them, and publishing folders; see cases.py, whose style of cases this is.

nginx serves the same folder, and rsync is how such a folder is published; site_scale.py tells what one change costs the
larger the folder is.
"""

import os
import random
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cases
import load
import peers
import rounds
from cases import Case, KIB, MIB, NOT_DONE, SIZES
from report import Metric, Sample

PAGE, LARGE = "page.html", "large.bin"  # of the site whose single files are fetched
SITE, MANY = "bench/site", "bench/many"
FILES, FOLDERS = 50_000, 100
QUICK_FILES = 2000
PEERS = {peer.name: peer for peer in (peers.Slipway, peers.Nginx)}
RSYNC_HINT = "apt-get install rsync"


# --- Folders

def page(number, size):
    """A document like no other, of exactly that size."""
    head, end = f"<!doctype html><title>{number}</title>\n<p>", "</p>\n"
    left = size - len(head) - len(end)
    return (head + random.randbytes(left // 2 + 1).hex()[:left] + end).encode()


def make_site(folder, large):
    """The site of which single files are fetched."""
    folder.mkdir()
    (folder / PAGE).write_bytes(page(0, 4 * KIB))
    if large:
        cases.random_file(folder, SIZES["100 MiB"])[1].rename(folder / LARGE)


def make_pages(folder, count, folders=FOLDERS):
    """Small pages in folders, 100 bytes to 2 KiB each; returns their paths."""
    paths = [f"{number % folders:02}/page-{number:06}.html" for number in range(count)]
    for number in range(folders):
        (folder / f"{number:02}").mkdir(parents=True)
    for number, path in enumerate(paths):
        (folder / path).write_bytes(page(number, random.randint(100, 2 * KIB)))
    return paths


def change(file):
    """Other bytes and mostly another size, as an editor leaves them."""
    file.write_bytes(page(random.randrange(1 << 30), random.randint(100, 2 * KIB)))


@dataclass
class Context:
    """What the cases of one run share."""
    site: Path
    pages: Path
    paths: list  # of the files below `pages`
    seconds: int
    threads: int   # of wrk
    scratch: Path
    filled: dict = field(default_factory=dict)  # {server's name: cases.Fresh}: what is published to in this round
    told: dict = field(default_factory=dict)    # {(server's name, which publish): peers.Published}


def url(server, name, path):
    return f"{server.base}/{name}/{path}"


# --- Serving

def get_page(connections, context, server):
    address = url(server, SITE, PAGE)
    return cases.requests(server, lambda: load.wrk(address, connections, context.seconds, context.threads))


def get_pages(connections, context, server):
    """Any of a large folder, of which nothing keeps all open."""
    paths = [f"/{MANY}/{path}" for path in context.paths]
    return cases.requests(server, lambda: load.wrk(server.base, connections, context.seconds, context.threads,
                                                   paths=paths))


def get_large(connections, context, server):
    if not (context.site / LARGE).exists():
        return NOT_DONE
    return cases.transfer(server, lambda: load.get(server.base, [f"/{SITE}/{LARGE}"], connections, context.seconds))


# --- Publishing: a folder that the server has not, then nothing new, then one file

def publish(which, context, server):
    """Seconds of one publish to a server that was new in this round, and its CPU seconds."""
    if not server.can_publish():
        return NOT_DONE
    if which == "first":
        stop(context.filled.pop(server.name, None))
        # Kept until the run ends: see cases.Fresh.
        context.filled[server.name] = cases.Fresh(context, server, many_files=True)
        context.filled[server.name].__enter__()
    if server.name not in context.filled:
        raise load.LoadError("the first publish failed, and there is nothing to compare with")
    fresh, path = context.filled[server.name].server, context.paths[len(context.paths) // 2]
    if which == "one file changed":
        change(context.pages / path)
    os.sync()  # nobody should pay for the dirty pages of the server before
    cpu, peak, told = cases.watch(fresh, lambda: fresh.publish_folder(context.pages, MANY))
    context.told[server.name, which] = told
    with load.Client(fresh.base) as client:
        client.check(url(fresh, MANY, path), (context.pages / path).read_bytes())
    return Sample(told.seconds, cpu * 1e3, peak) if told.requests else Sample(told.seconds)  # nginx takes no part


def told_of(which, figure, context, server):
    """What the publish before has told about itself."""
    told = context.told.get((server.name, which))
    value = getattr(told, figure) if told else None
    return NOT_DONE if value is None else Sample(value)


def stop(fresh):
    if fresh:
        fresh.__exit__()


# --- The list

def case(name, work, unit, *, cost="", by="", warm_up=False):
    return Case(Metric(name, by, unit, cost), work, warm_up=warm_up)


def listed():
    yield case("GET page 4 KiB, hot", partial(get_page, 64), "req/s", cost="µs/req", by="64 connections", warm_up=True)
    yield case("GET pages at random, hot", partial(get_pages, 64), "req/s", cost="µs/req", by="64 connections",
               warm_up=True)
    yield case("GET file 100 MiB, hot", partial(get_large, 4), "MB/s", cost="ms/GB", by="4 connections", warm_up=True)
    for which in ("first", "nothing changed", "one file changed"):
        yield case(f"publish, {which}", partial(publish, which), "s", cost="ms", by="publish or rsync")
        for figure, what, unit in (("client_cpu", "CPU of the client", "s"), ("requests", "requests", "requests"),
                                   ("objects", "objects sent", "objects"), ("kib", "bytes sent", "KiB")):
            yield case(f"publish, {which}: {what}", partial(told_of, which, figure), unit)


CASES = [*listed()]


# --- Running

def publish_all(servers, context):
    """Both folders on each server, and a look at what is measured: a load generator would not notice wrong bytes."""
    for server in servers:
        with load.Client(server.base) as client:
            for folder, name, paths in ((context.site, SITE, [PAGE]), (context.pages, MANY, context.paths[:100])):
                server.lay_out(folder, name)
                for path in paths:
                    client.check(url(server, name, path), (folder / path).read_bytes())
            if (context.site / LARGE).exists():
                digest = load.sha256((context.site / LARGE).read_bytes())
                client.check_digest(url(server, SITE, LARGE), digest)
    os.sync()


def measure(chosen, peer_classes, scratch, settings, servers_on, load_on):
    """As rounds.measure(), with folders instead of images."""
    servers, context = [], None
    try:
        for peer in peer_classes:
            servers.append(peer(scratch / peer.name, servers_on))
            servers[-1].start()
        os.sched_setaffinity(0, load_on)
        site, pages = scratch / "site", scratch / "pages"
        make_site(site, settings["large"])
        paths = make_pages(pages, settings["files"])
        context = Context(site, pages, paths, settings["seconds"], len(load_on), scratch)
        publish_all(servers, context)
        run = rounds.Rounds(servers, context, chosen)
        run.run(settings["rounds"])
        return run.results(), run.failures
    finally:
        for server in servers:
            server.stop()
        for fresh in context.filled.values() if context else ():
            stop(fresh)


def absent():
    """{what is missing: how to get it} of the programs that publish for peers."""
    return {} if shutil.which("rsync") else {"rsync": RSYNC_HINT}
