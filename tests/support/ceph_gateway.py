"""A Ceph object gateway of its own on loopback, its objects in memory: a real S3 for tests.

As a command: `ceph_gateway.py COMMAND…` runs the command with S3_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
in its environment, and with SLIPWAY_TEST_STORE, a bucket for slipway_server.py; and ends with its status.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import s3_client

ACCESS_KEY, SECRET_KEY = "slipwaytests00000000", "slipwaytests000000000000000000000000000x"
PROGRAMS = ("ceph", "ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool")
CONFIG = """
[global]
fsid = {fsid}
mon_host = v1:127.0.0.1:{monitor}
public_addr = 127.0.0.1
ms_bind_ipv6 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
osd_objectstore = memstore
memstore_device_bytes = {bytes}
run_dir = {folder}
admin_socket = {folder}/$name.socket
pid_file = {folder}/$name.pid
log_file = {folder}/$name.log
[mon.a]
mon_data = {folder}/monitor
[mgr.x]
mgr_data = {folder}/manager
[osd.0]
osd_data = {folder}/storage
[client.rgw]
rgw_frontends = beast endpoint={address}:{port} tcp_nodelay=1
rgw_data = {folder}/gateway
# What was removed is in memory until then; hours, by itself.
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 5
rgw_gc_processor_max_time = 5
"""


def free_port(address="127.0.0.1"):
    with socket.socket() as listener:
        listener.bind((address, 0))
        return listener.getsockname()[1]


def missing():
    """The programs that are not installed."""
    return [program for program in PROGRAMS if not shutil.which(program)]


class CephGateway:
    """Started by its construction, which takes some ten seconds; stopped by close()."""

    def __init__(self, address="127.0.0.1", memory_bytes=4 << 30):
        self.folder = Path(tempfile.mkdtemp(prefix="ceph-"))
        self.port = free_port(address)
        self.endpoint = f"http://{address}:{self.port}"
        self._processes = []
        try:
            self._start(address, memory_bytes)
        except BaseException:
            self.close()
            raise

    def _start(self, address, memory_bytes):
        monitor, cluster, storage = free_port(), str(uuid.uuid4()), str(uuid.uuid4())
        for name in ("monitor", "manager", "storage", "gateway"):
            (self.folder / name).mkdir()
        (self.folder / "ceph.conf").write_text(
            CONFIG.format(fsid=cluster, monitor=monitor, bytes=memory_bytes, folder=self.folder, address=address,
                          port=self.port), encoding="utf-8")
        self._run("monmaptool", "--create", "--clobber", "--fsid", cluster, "--addv", "a",
                  f"[v1:127.0.0.1:{monitor}]", f"{self.folder}/monmap")
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", f"{self.folder}/monmap")
        self._spawn("ceph-mon", "-i", "a")
        self._spawn("ceph-mgr", "-i", "x")
        self._ask("osd", "new", storage)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", storage)
        self._start_storage()
        self.start_gateway()
        self._run("radosgw-admin", "user", "create", "--uid=t", "--display-name=t", f"--access-key={ACCESS_KEY}",
                  f"--secret-key={SECRET_KEY}")

    def _start_storage(self):
        storage, starts = self._spawn("ceph-osd", "-i", "0"), 1
        deadline = time.monotonic() + 60
        while json.loads(self._ask("osd", "stat", "--format", "json"))["num_up_osds"] == 0:
            if time.monotonic() > deadline or starts > 5:
                raise RuntimeError(f"ceph-osd does not start:\n{self._log_tail('osd.0')}")
            if storage.poll() is not None:  # refused like others, see _ask
                self._processes.remove(storage)
                storage, starts = self._spawn("ceph-osd", "-i", "0"), starts + 1
            time.sleep(0.1)

    def start_gateway(self):
        self.gateway = self._spawn("radosgw", "-n", "client.rgw")
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(self.endpoint, timeout=5).close()
                return
            except urllib.error.HTTPError:
                return  # it answers
            except OSError:
                if self.gateway.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"radosgw does not answer:\n{self._log_tail('client.rgw')}") from None
                time.sleep(0.05)

    def remove_bucket(self, name):
        """With all that is in it, at once."""
        self._run("radosgw-admin", "bucket", "rm", f"--bucket={name}", "--purge-objects", "--bypass-gc")

    def kill_gateway(self):
        """What it has acknowledged stays with the other daemons."""
        self.gateway.kill()
        self.gateway.wait()
        self._processes.remove(self.gateway)

    def close(self):
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _log_tail(self, name):
        log = self.folder / f"{name}.log"
        return log.read_text(encoding="utf-8", errors="replace")[-3000:] if log.exists() else "(no log)"

    def _run(self, program, *arguments):
        done = subprocess.run([program, "-c", f"{self.folder}/ceph.conf", *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{program} {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def _ask(self, *command):
        """What the monitor answers. At first it now and then refuses what it takes a moment later ("wrong fsid")."""
        for attempt in range(100):
            try:
                return self._run("ceph", *command)
            except RuntimeError as error:
                if "EPERM" not in str(error) or attempt == 99:
                    raise
                time.sleep(0.1)
        raise AssertionError

    def _spawn(self, program, *arguments):
        with open(self.folder / "output", "ab") as output:
            process = subprocess.Popen([program, "-f", "-c", f"{self.folder}/ceph.conf", *arguments],
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self._processes.append(process)
        return process


def main(command):
    if absent := missing():
        print(f"not installed: {', '.join(absent)} (./dev installs Ceph)", file=sys.stderr)
        return 1 if os.environ.get("CI") else 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started ends too
    os.environ.update(AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY)
    # On an address of its own: clients that are redirected forward their credentials to the host that they are for.
    with CephGateway("127.0.0.2") as gateway:
        s3_client.make_bucket(gateway.endpoint, "servers")
        environment = dict(os.environ, S3_ENDPOINT=gateway.endpoint,
                           SLIPWAY_TEST_STORE=f"s3://servers?endpoint={gateway.endpoint}")
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
