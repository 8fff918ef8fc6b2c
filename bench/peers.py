"""The servers that are measured: each starts on a free loopback port, with its data in a scratch directory.

Peers run as their users run them, less the logging: no access log anywhere. What they promise differs, and `durable`
says how, because a table that compares a server which waits for the disk with one which does not must say so.
"""

import getpass
import grp
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import load

REPOSITORY, TAG = "bench/image", "latest"
START_SECONDS = 30


class PeerError(Exception):
    """A server did not start."""


class Server:
    """A server process, and the figures the kernel keeps about it and its children."""

    name = "server"
    durable = ""

    def __init__(self, scratch, cpus=None):
        """`scratch` becomes this server's own directory; `cpus` confines it, to leave the rest to a load generator."""
        self.scratch, self.cpus = Path(scratch), cpus
        self.scratch.mkdir(parents=True)
        self.base, self.process = None, None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    # --- its life

    def spawn(self, *command):
        """Starts the process, confined before exec: Go and C++ runtimes size their pools by what they find then."""
        def confine():
            if self.cpus:
                os.sched_setaffinity(0, self.cpus)

        with open(self.scratch / "log", "ab") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=confine)

    def wait_until(self, ready, what):
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = (self.scratch / "log").read_text(errors="replace")[-2000:]
                raise PeerError(f"{self.name}: {what} is missing (exit status {self.process.poll()})\n{log}")
            time.sleep(0.02)

    def wait_for_port(self, port):
        def answers():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        self.base = f"http://127.0.0.1:{port}"
        self.wait_until(answers, f"an answer on port {port}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    # --- what the kernel knows about it

    @property
    def pids(self):
        """The process and its direct children, which is as deep as any peer goes (nginx: a master and its workers)."""
        pid = self.process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def cpu_seconds(self):
        """CPU used so far by all threads, in nanosecond resolution; /proc/PID/stat counts whole ticks of 10 ms."""
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in self.pids)  # the clock of clock_getcpuclockid(3)

    def status(self, key):
        """Sums a number of /proc/PID/status, such as VmRSS or VmHWM (in KiB) or Threads."""
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in self.pids]
        return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith(key + ":"))

    def forget_peak(self):
        """Starts VmHWM anew from what is resident now, so that a peak belongs to one case."""
        for pid in self.pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    # --- what it serves; nginx has the same paths as a registry

    def manifest_url(self, reference=TAG):
        return f"{self.base}/v2/{REPOSITORY}/manifests/{reference}"

    def blob_url(self, digest):
        return f"{self.base}/v2/{REPOSITORY}/blobs/{digest}"

    def publish(self, image):
        with load.Client(self.base) as client:
            client.push_image(REPOSITORY, TAG, image)

    def put(self, client, data, digest):
        client.push_blob(REPOSITORY, data, digest)


class Slipway(Server):
    name = "slipway"
    durable = "syncs the file, its directory and the catalog before it answers a PUT, and verifies the digest"

    def __init__(self, scratch, cpus=None, config=""):
        """`config` is the text of a configuration file, without its [log]."""
        super().__init__(scratch, cpus)
        self.config = config

    def start(self):
        data, config = self.scratch / "data", self.scratch / "slipway.toml"
        config.write_text(self.config + "\n[log]\nrequests = false\n")
        self.spawn(slipway_binary(), "serve", "--config", config, "--data", data, "--listen", "127.0.0.1:0")
        ready = data / "server.json"
        self.wait_until(ready.exists, ready.name)
        self.base = json.loads(ready.read_text())["listen"][0].rstrip("/")


class DockerRegistry(Server):
    name = "docker-registry"
    durable = "syncs the files (fsync) but never a directory, so a rename can be lost, and verifies the digest"

    def start(self):
        port = free_port()
        config = self.scratch / "config.yml"
        # The descriptor cache is on in the configuration Debian ships. JSON is YAML.
        config.write_text(json.dumps({
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.scratch / "data")},
                        "cache": {"blobdescriptor": "inmemory"}},
            "http": {"addr": f"127.0.0.1:{port}", "secret": "only for this run"},
        }))
        self.spawn(find("docker-registry"), "serve", config)
        self.wait_for_port(port)


NGINX_CONFIG = """\
{user}
daemon off;
pid {scratch}/pid;
worker_processes {workers};
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    default_type application/octet-stream;
    client_max_body_size 0;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/unused;
    fastcgi_temp_path {scratch}/unused;
    uwsgi_temp_path {scratch}/unused;
    scgi_temp_path {scratch}/unused;
    server {{
        listen 127.0.0.1:{port};
        root {scratch}/root;
        location ~ /manifests/ {{ default_type {manifest}; }}
        location /put/ {{ dav_methods PUT; create_full_put_path on; }}
    }}
}}
"""


class Nginx(Server):
    name = "nginx"
    durable = "answers a PUT before the bytes are on disk, and computes no digest"

    def start(self):
        port = free_port()
        workers = len(self.cpus or os.sched_getaffinity(0))
        (self.scratch / "root").mkdir()
        # Started by root, its workers would be www-data, which may not look into a private scratch directory.
        user = f"user {getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name};" if os.geteuid() == 0 else ""
        config = self.scratch / "nginx.conf"
        config.write_text(NGINX_CONFIG.format(user=user, scratch=self.scratch, workers=workers, port=port,
                                              manifest=load.MANIFEST))
        self.spawn(find("nginx"), "-c", config, "-e", "stderr")
        self.wait_for_port(port)

    def publish(self, image):
        repository = self.scratch / "root" / "v2" / REPOSITORY
        for folder in ("manifests", "blobs"):
            (repository / folder).mkdir(parents=True)
        for reference in (TAG, image.digest):
            (repository / "manifests" / reference).write_bytes(image.manifest)
        for digest, data in image.blobs.items():
            (repository / "blobs" / digest).write_bytes(data)

    def put(self, client, data, digest):
        client.request("PUT", f"/put/{digest}", data, expect=(201,))


PEERS = {peer.name: peer for peer in (Slipway, DockerRegistry, Nginx)}


def slipway_binary():
    binary = os.environ.get("SLIPWAY_BIN", "")
    if not os.access(binary, os.X_OK):
        raise PeerError("SLIPWAY_BIN does not name a program; build first, or run through ./dev")
    return binary


def find(program):
    """Where a program is, or None. Servers are in sbin, which a user's PATH leaves out."""
    return shutil.which(program, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")


def versions():
    """What is installed, by the packages' own words; None for what is not."""
    def ask(program, *arguments):
        if not find(program):
            return None
        answer = subprocess.run([find(program), *arguments], capture_output=True, text=True)
        return (answer.stdout + answer.stderr).strip().partition("\n")[0]

    return {"slipway": ask(slipway_binary(), "version"), "docker-registry": ask("docker-registry", "--version"),
            "nginx": ask("nginx", "-v"), "wrk": (ask("wrk", "-v") or "").partition(" Copyright")[0] or None}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
