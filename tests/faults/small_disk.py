"""A small file system of the test's own, to be filled up or made read-only. Needs root."""

import os
import subprocess
import tempfile
from pathlib import Path


class Absent(Exception):
    """This machine has no such thing; the message says why."""


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True)


class SmallDisk:
    """An ext4 in a file, mounted at `place`; where the machine has no loop devices, a tmpfs of that size. A full tmpfs
    refuses the same calls, but has no journal and no blocks that are promised before they are there."""

    def __init__(self, place, mebibytes):
        self.place, self.image, self.kind = Path(place), None, None
        self.place.mkdir()
        problems = []
        for kind, mount in ("ext4", self._mount_ext4), ("tmpfs", self._mount_tmpfs):
            try:
                mount(mebibytes)
                self.kind = kind
                return
            except (OSError, subprocess.CalledProcessError) as error:
                problems.append(f"{kind}: {getattr(error, 'stderr', None) or error}")
        self.close()
        raise Absent("; ".join(problem.strip() for problem in problems))

    def _mount_ext4(self, mebibytes):
        fd, image = tempfile.mkstemp(prefix="slipway-disk-")
        self.image = Path(image)
        os.truncate(fd, mebibytes << 20)
        os.close(fd)
        run("/sbin/mkfs.ext4", "-q", "-m", "0", image)  # -m 0: nothing is kept back for root
        run("mount", "-o", "loop", image, str(self.place))

    def _mount_tmpfs(self, mebibytes):
        run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(self.place))

    def remount(self, how):
        """"ro" or "rw"; there may be no file open to write where it becomes "ro"."""
        run("mount", "-o", f"remount,{how}", str(self.place))

    def free(self):
        status = os.statvfs(self.place)
        return status.f_bavail * status.f_frsize

    def fill(self, name, leave=0):
        """Puts a file there that takes all room but `leave` bytes, down to the last block."""
        path = self.place / name
        with open(path, "ab", buffering=0) as file:
            for size in 1 << 20, 4096, 1:
                try:
                    while self.free() > leave:
                        file.write(bytes(max(1, min(size, self.free() - leave))))
                        if size < 1 << 20:
                            os.fsync(file.fileno())
                except OSError:
                    pass  # full; in smaller pieces there may still be room
        return path

    def close(self):
        if self.kind:
            run("umount", str(self.place))
            self.kind = None
        if self.image:
            self.image.unlink()
            self.image = None
