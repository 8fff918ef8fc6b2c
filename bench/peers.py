"""What a measured server is, and two of them: Slipway and nginx. registries.py has the others.

Each starts on a free loopback port, with its data in a scratch directory, and is stopped by its process id.

Peers run as their users run them, less the logging: no access log anywhere. What they promise differs, and `durable`
says how, because a table that compares a server which waits for the disk with one which does not must say so.
"""

import getpass
import grp
import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import load

REPOSITORY, TAG = "bench/image", "latest"
UPLOADS = "/v2/bench/push/blobs/uploads/"
TAGGED = "bench/tags"  # the repository with a hundred thousand tags
START_SECONDS = 30
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY_INDEX = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()


class PeerError(Exception):
    """A server did not start."""


class Server:
    """A server process, and the figures the kernel keeps about it and its children."""

    name = "server"
    durable = ""       # what it promises when it has answered a push
    program_hint = ""  # how to get it
    push_styles = ("monolithic", "chunked")

    @classmethod
    def program(cls):
        """The path of its program, or None where it cannot be had."""
        raise NotImplementedError

    @classmethod
    def version_command(cls):
        return [cls.program(), "version"]

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

    def spawn(self, *command, environment=None):
        """Starts the process, confined before exec: Go and C++ runtimes size their pools by what they find then."""
        def confine():
            if self.cpus:
                os.sched_setaffinity(0, self.cpus)

        with open(self.scratch / "log", "ab") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=confine,
                                            env={**os.environ, **(environment or {})})

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

    @property
    def blobs(self):
        """The folder below which its blobs lie; what else is there hardly counts."""
        return self.scratch

    def manifest_url(self, reference=TAG):
        return f"{self.base}/v2/{REPOSITORY}/manifests/{reference}"

    def blob_url(self, digest, repository=REPOSITORY):
        return f"{self.base}/v2/{repository}/blobs/{digest}"

    def publish(self, image):
        with load.Client(self.base) as client:
            client.push_image(REPOSITORY, TAG, image)

    def publish_files(self, files):
        """{digest: path}, for contents that are too large to hold in memory."""
        with load.Client(self.base) as client:
            for digest, path in files.items():
                client.push_file(REPOSITORY, path, digest)

    def push(self, style, size, clients, pieces=1, **limits):
        """Pushes contents that it never saw, as one of its push_styles."""
        return load.client("push", self.base, path=UPLOADS, style=style, bytes=size, clients=clients, pieces=pieces,
                           **limits)

    def fill_tags(self, count):
        """Gives the repository TAGGED that many tags; False if that cannot be done."""
        return False

    # --- sites, which are at /NAME/; registries have none

    def can_publish(self):
        """Whether there is a program that brings a folder here."""
        return False

    def publish_folder(self, folder, name):
        """Makes the site NAME what the folder is, and returns a load.Published."""
        raise NotImplementedError

    def lay_out(self, folder, name):
        """The same where nobody measures it, and with no other program needed."""
        self.publish_folder(folder, name)


class Slipway(Server):
    name = "slipway"
    durable = "syncs the file, its directory and the catalog before it answers a PUT, and verifies the digest"

    def __init__(self, scratch, cpus=None, config="", port=0):
        """`config` is the text of a configuration file, without its [log]."""
        super().__init__(scratch, cpus)
        self.config, self.port = config, port

    @classmethod
    def program(cls):
        return slipway_binary()

    @property
    def data(self):
        return self.scratch / "data"

    def launch(self):
        """Starts the process and does not wait."""
        config = self.scratch / "slipway.toml"
        config.write_text(self.config + "\n[log]\nrequests = false\n")
        self.spawn(slipway_binary(), "serve", "--config", config, "--data", self.data, "--listen",
                   f"127.0.0.1:{self.port}")

    def start(self):
        ready = self.data / "server.json"
        ready.unlink(missing_ok=True)  # of a process before this one
        self.launch()
        self.wait_until(ready.exists, ready.name)
        self.base = json.loads(ready.read_text())["listen"][0].rstrip("/")

    def fill_tags(self, count):
        tags = "&".join(f"tag=t########{number:02}" for number in range(50))  # 64 at most in one request
        load.fill(self.base, f"/v2/{TAGGED}/manifests/{load.sha256(EMPTY_INDEX)}?{tags}", EMPTY_INDEX.decode(),
                  count // 50)
        return True

    def can_publish(self):
        return True

    def publish_folder(self, folder, name):
        return load.publish(self.base, folder, name)


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
    """No registry: the least that a server of files can do, for comparison."""

    name = "nginx"
    program_hint = "apt-get install nginx-light"
    durable = "answers a PUT before the bytes are on disk, and computes no digest"
    push_styles = ("monolithic",)

    @classmethod
    def program(cls):
        return find("nginx")

    @classmethod
    def version_command(cls):
        return [cls.program(), "-v"]

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

    def publish_files(self, files):
        for digest, path in files.items():
            shutil.copyfile(path, self.scratch / "root" / "v2" / REPOSITORY / "blobs" / digest)

    def can_publish(self):
        return find("rsync") is not None

    def publish_folder(self, folder, name):
        """By rsync, which may use the servers' processors too: half of it is what a server does for `slipway publish`.
        """
        target = self.scratch / "root" / name
        target.mkdir(parents=True, exist_ok=True)
        return load.rsync(folder, target, (self.cpus or set()) | os.sched_getaffinity(0))

    def lay_out(self, folder, name):
        shutil.copytree(folder, self.scratch / "root" / name)

    def push(self, style, size, clients, pieces=1, **limits):
        return load.client("push", self.base, path="/put/", style="file", bytes=size, clients=clients, **limits)


def slipway_binary():
    binary = os.environ.get("SLIPWAY_BIN", "")
    if not os.access(binary, os.X_OK):
        raise PeerError("SLIPWAY_BIN does not name a program; build first, or run through ./dev")
    return binary


def find(program):
    """Where a program is, or None. Servers are in sbin, which a user's PATH leaves out."""
    return shutil.which(program, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")


def version(peer):
    """The number that scripts/tools.sh built a program of, as its folder says; else what the program says of itself,
    whatever words it has around it."""
    if built := re.search(r"-v(\d[\w.+~-]*)$", Path(peer.program()).parent.name):
        return built[1]
    answer = subprocess.run(peer.version_command(), capture_output=True, text=True)
    return re.search(r"\bv?(\d+\.\d+[\w.+~-]*)", answer.stdout + answer.stderr)[1]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
