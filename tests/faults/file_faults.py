"""What goes wrong with the server's files, and when: the test's half of file_faults.cpp.

    faults = Faults(folder)
    with Server(folder, env=faults.environment()) as server:
        faults.arm(KINDS["EIO"], 3)        # the third call from now on fails
        ...
        print(faults.disarm())             # Struck(calls=12, struck=1, what='fdatasync store/uploads/#77 (deleted)')
"""

import errno
import mmap
import os
import struct
import typing
from pathlib import Path

OPEN, MAKE, NAME, REMOVE, WRITE, TRUNCATE, FLUSH, READ, LOOK, MAP = (1 << bit for bit in range(10))
CHANGES = MAKE | NAME | REMOVE | WRITE | TRUNCATE | FLUSH
FAIL, HALVE, FILL, KILL = 1, 2, 3, 4
FOREVER = 1 << 62
LAYOUT = struct.Struct("<IIIiQQQQ200s")  # armed, groups, action, error, first, count, counted, struck, what


class Kind(typing.NamedTuple):
    """A way to go wrong. `statuses`: what a request may be answered with that met it, beside success."""
    name: str
    groups: int
    action: int = FAIL
    error: int = 0
    count: int = 1
    statuses: tuple = ()

    def __str__(self):
        return self.name


KINDS = {kind.name: kind for kind in [
    Kind("EIO", CHANGES | OPEN | READ | LOOK | MAP, error=errno.EIO, statuses=(500,)),
    # A flush may say it too, where a file system finds room late; then nobody knows how much was kept.
    Kind("ENOSPC", MAKE | NAME | WRITE | TRUNCATE | FLUSH, error=errno.ENOSPC, statuses=(507, 500)),
    Kind("EINTR", OPEN | MAKE | WRITE | TRUNCATE | FLUSH | READ, error=errno.EINTR),
    Kind("short", WRITE | READ, HALVE),
    Kind("lasting EIO", CHANGES | OPEN | READ | LOOK | MAP, error=errno.EIO, count=FOREVER, statuses=(500,)),
    Kind("full", MAKE | NAME | WRITE | TRUNCATE, FILL, errno.ENOSPC, FOREVER, (507, 500)),
    Kind("kill", CHANGES, KILL),
]}


class Struck(typing.NamedTuple):
    calls: int
    struck: int
    what: str  # the first call that went wrong


class Faults:
    """One control file; servers that share it share what goes wrong."""

    def __init__(self, folder, below):
        self.path, self.below = Path(folder) / "faults", below
        self.path.write_bytes(bytes(LAYOUT.size))
        with open(self.path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), LAYOUT.size)

    def environment(self):
        return {"LD_PRELOAD": os.environ["FILE_FAULTS"], "FAULTS_CONTROL": str(self.path),
                "FAULTS_BELOW": str(self.below)}

    def arm(self, kind, first):
        """The `first`-th call of the kind's groups from now on goes wrong, and the kind's count after it."""
        self.disarm()
        self._map[:] = LAYOUT.pack(0, kind.groups, kind.action, kind.error, first, kind.count, 0, 0, b"")
        self._map[0:4] = struct.pack("<I", 1)

    def disarm(self):
        self._map[0:4] = bytes(4)
        return self.peek()

    def peek(self):
        _, _, _, _, _, _, calls, struck, what = LAYOUT.unpack(self._map)
        return Struck(calls, struck, what.rstrip(b"\0").decode(errors="replace"))

    def close(self):
        self._map.close()
