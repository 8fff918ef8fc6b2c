"""What is measured of opam repositories: how long a merge takes to be live, and serving what clients fetch; see
cases.py, whose style of cases this is.

Beside Slipway stands what it replaces: `git pull && opam admin index` in a folder that nginx serves. Both follow a git
repository of their own with the same packages: a folder that is given (--tree), or as many as opam.ocaml.org has,
made up.
"""

import functools
import hashlib
import http.server
import json
import os
import random
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cases
import load
import peers
import rounds
from cases import Case, KIB, NOT_DONE
from report import Metric, Sample

PACKAGES, QUICK_PACKAGES, VERSIONS = 4600, 100, 4
SOURCES = {"4 KiB": 4 * KIB, "77 KiB": 77 * KIB}  # the latter is what half of the real ones are smaller than
SECRET = "a secret for the benchmark"
PATIENCE = 120
ENVIRONMENT = {"GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "e@example.org", "GIT_COMMITTER_NAME": "n",
               "GIT_COMMITTER_EMAIL": "e@example.org", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
               "OPAMROOTISOK": "1"}


def run(*command, folder):
    done = subprocess.run([str(word) for word in command], cwd=folder, env=os.environ | ENVIRONMENT, capture_output=True,
                          text=True)
    if done.returncode != 0:
        raise load.LoadError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def cache_path(data):
    digest = hashlib.sha256(data).hexdigest()
    return f"cache/sha256/{digest[:2]}/{digest}"


# --- What is published

def opam_file(number, source=None):
    """Of the size of most."""
    words = " ".join(random.randbytes(4).hex() for _ in range(40))
    url = f'url {{\n  src: "{source[0]}"\n  checksum: "sha256={source[1]}"\n}}\n' if source else ""
    return (f'opam-version: "2.0"\nsynopsis: "Package {number}"\ndescription: """\n{words}\n"""\n'
            f'maintainer: "m@example.org"\nauthors: "A"\nlicense: "ISC"\nhomepage: "https://example.org/{number}"\n'
            f'depends: [\n  "ocaml" {{>= "4.08"}}\n  "dune" {{>= "3.{number % 20}"}}\n]\n'
            f'build: ["dune" "build" "-p" name "-j" jobs]\n{url}')


def write_package(folder, name, version, text):
    path = folder / "packages" / name / f"{name}.{version}"
    path.mkdir(parents=True, exist_ok=True)
    (path / "opam").write_text(text)


def make_tree(folder, packages, given):
    """A git repository with the packages of a folder, or with so many."""
    folder.mkdir()
    if given:
        for name in ("packages", "repo"):
            (shutil.copytree if (given / name).is_dir() else shutil.copy)(given / name, folder / name)
    else:
        (folder / "repo").write_text('opam-version: "2.0"\n')
        for number in range(packages):
            for version in range(VERSIONS):
                write_package(folder, f"package-{number}", f"1.{version}", opam_file(number))
    run("git", "init", "--quiet", "--initial-branch=main", folder=folder)
    run("git", "add", "--all", folder=folder)
    run("git", "commit", "--quiet", "--message=first", folder=folder)


class Upstream(http.server.ThreadingHTTPServer):
    """Where the sources of packages come from."""

    def __init__(self, folder):
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
        super().__init__(("127.0.0.1", 0), handler)
        handler.func.log_message = lambda *_: None
        self.folder = folder
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def add(self, data):
        """(its URL, its SHA-256)."""
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / digest).write_bytes(data)
        return f"http://127.0.0.1:{self.server_port}/{digest}", digest


class Origin:
    """The git repository that one server follows."""

    def __init__(self, tree, folder, upstream):
        self.folder, self.upstream, self.count = folder, upstream, 0
        run("git", "clone", "--quiet", tree, folder, folder=tree)

    def merge(self, data):
        """One more package with one source; the commit."""
        self.count += 1
        name = f"new-{self.count}"
        write_package(self.folder, name, "1", opam_file(self.count, self.upstream.add(data)))
        run("git", "add", "packages/" + name, folder=self.folder)
        run("git", "commit", "--quiet", "--message=merge", folder=self.folder)
        return run("git", "rev-parse", "HEAD", folder=self.folder).strip()


# --- Who publishes

class Slipway(peers.Slipway):
    def follow(self, origin):
        secret = self.scratch / "secret"
        secret.write_text(SECRET)
        self.config = (f'[opam]\nrepositories = ["opam {origin.folder}"]\nprivate_sources = true\npoll = "1h"\n'
                       f'hook_secret_file = "{secret}"\n')
        self.origin, self.told = origin, {}

    def first(self):
        """From a server that has nothing to one that serves all; the server stays."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        commit = run("git", "rev-parse", "HEAD", folder=self.origin.folder).strip()
        started = time.perf_counter()
        self.start()
        self.wait_for(commit)
        return time.perf_counter() - started

    def wait_for(self, commit):
        until = time.monotonic() + PATIENCE
        with load.Client(self.base) as client:
            while commit.encode() not in client.request("GET", "/opam/repo", expect=(200, 404))[1]:
                if time.monotonic() > until:
                    raise load.LoadError(f"commit {commit} is not live after {PATIENCE} s")
                time.sleep(0.001)

    def publish_merge(self, data):
        commit = self.origin.merge(data)
        started = time.perf_counter()
        with load.Client(self.base) as client:
            client.request("POST", "/api/v1/opam/hook/opam", b"{}", {"X-Gitlab-Token": SECRET}, expect=(202,))
            self.wait_for(commit)
            seconds = time.perf_counter() - started
            while client.request("GET", "/opam/" + cache_path(data), expect=(200, 404))[1] != data:
                if time.perf_counter() - started > PATIENCE:
                    raise load.LoadError("the source is not kept")
                time.sleep(0.001)
            self.told = {"kept": time.perf_counter() - started}
            client.request("GET", "/opam/index.tar.gz")
            self.told["index"] = time.perf_counter() - started
            state = json.loads(client.request("GET", "/opam/status/index.json")[1])["channels"][0]
        for phase in ("fetching", "reading", "publishing"):
            self.told[phase] = state[phase + "_ms"] / 1e3
        return seconds

    def add_source(self, data):
        self.publish_merge(data)


class Nginx(peers.Nginx):
    """With git and opam, as opam's manual has it."""

    def follow(self, origin):
        self.origin, self.told = origin, {}

    @property
    def folder(self):
        return self.scratch / "root" / "opam"

    def first(self):
        if not self.process:
            self.start()
            self.base = self.base or f"http://127.0.0.1:{self.port}"
        shutil.rmtree(self.folder, ignore_errors=True)
        started = time.perf_counter()
        run("git", "clone", "--quiet", "--depth=1", f"file://{self.origin.folder}", self.folder, folder=self.scratch)
        run("opam", "admin", "index", folder=self.folder)
        return time.perf_counter() - started

    def publish_merge(self, data):
        self.origin.merge(data)
        started = time.perf_counter()
        run("git", "checkout", "--quiet", "repo", folder=self.folder)  # which the index has stamped
        run("git", "pull", "--quiet", folder=self.folder)
        run("opam", "admin", "index", folder=self.folder)
        seconds = time.perf_counter() - started
        self.told = {"index": seconds}
        return seconds

    def add_source(self, data):
        path = self.folder / cache_path(data)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


PEERS = {peer.name: peer for peer in (Slipway, Nginx)}


# --- The cases

@dataclass
class Context:
    """What the cases of one run share."""
    sources: dict  # {size's name: bytes}
    seconds: int
    threads: int  # of wrk
    filled: dict = field(default_factory=dict)


def merge(context, server):
    cpu, peak, seconds = cases.watch(server, lambda: server.publish_merge(random.randbytes(20 * KIB)))
    return Sample(seconds, cpu * 1e3, peak)


def told(figure, _context, server):
    value = server.told.get(figure)
    return NOT_DONE if value is None else Sample(value)


def first(context, server):
    """The sources go with it, and are brought again."""
    seconds = server.first()
    for data in context.sources.values():
        server.add_source(data)
    return Sample(seconds, 0, server.status("VmHWM"))


def get_source(size, context, server):
    address = f"{server.base}/opam/{cache_path(context.sources[size])}"
    return cases.requests(server, lambda: load.wrk(address, 64, context.seconds, context.threads))


def get_index(context, server):
    return cases.transfer(server, lambda: load.get(server.base, ["/opam/index.tar.gz"], 4, context.seconds))


def get_index_unchanged(context, server):
    address = f"{server.base}/opam/index.tar.gz"
    with load.Client(server.base) as client:
        etag = client.request("GET", address)[0]["ETag"]
        client.request("GET", address, headers={"If-None-Match": etag}, expect=(304,))
    return cases.requests(server, lambda: load.wrk(address, 64, context.seconds, context.threads,
                                                   headers={"If-None-Match": etag}))


def memory(_context, server):
    return Sample(server.status("VmRSS") / 1024)


def case(name, work, unit, *, cost="", by="", most=1000):
    return Case(Metric(name, by, unit, cost), work, rounds_max=most)


CASES = [
    case("first publication", first, "s", by="all packages", most=3),
    case("a merge until it is live", merge, "s", cost="ms", by="webhook, or git pull and opam admin index"),
    *(case(f"a merge until {what}", partial(told, figure), "s") for figure, what in (
        ("index", "its index.tar.gz was fetched"), ("kept", "its source is kept"), ("fetching", "it is fetched from git"),
        ("reading", "it is read: that phase alone"), ("publishing", "the channel moved: that phase alone"))),
    *(case(f"GET source {size}", partial(get_source, size), "req/s", cost="µs/req", by="64 connections")
      for size in SOURCES),
    case("GET index.tar.gz", get_index, "MB/s", cost="ms/GB", by="4 connections"),
    case("GET index.tar.gz, unchanged", get_index_unchanged, "req/s", cost="µs/req", by="64 connections"),
    case("resident memory of the server", memory, "MiB"),
]


# --- Running

def measure(chosen, peer_classes, scratch, settings, servers_on, load_on):
    """As rounds.measure(), with git repositories instead of images."""
    servers = []
    (scratch / "upstream").mkdir()
    upstream = Upstream(scratch / "upstream")
    try:
        os.sched_setaffinity(0, load_on | servers_on)  # git and opam of the peer may use all
        make_tree(scratch / "tree", settings["packages"], settings["tree"] and Path(settings["tree"]))
        context = Context({name: random.randbytes(size) for name, size in SOURCES.items()}, settings["seconds"],
                          max(1, len(load_on)))
        for peer in peer_classes:
            server = peer(scratch / peer.name, servers_on)
            servers.append(server)
            server.follow(Origin(scratch / "tree", scratch / f"{peer.name}-origin", upstream))
            first(context, server)
        timed = rounds.Rounds(servers, context, chosen)
        timed.run(settings["rounds"])
        return timed.results(), timed.failures
    finally:
        for server in servers:
            server.stop()
        upstream.shutdown()


def absent():
    """{what is missing: how to get it} of the programs that publish for peers."""
    return {} if shutil.which("opam") else {"opam": "apt-get install opam"}
