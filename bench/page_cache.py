"""What is in memory when a case begins: files that were forgotten, and free pages that the machine really has.

The host of a virtual machine takes away memory that lies free, and its return, page by page, costs ten times what it
costs to write a page: most of what a case of large blobs would measure, another time for each server. A machine that
has served for a day has no free memory, only files in its page cache; so does this one while it measures.
"""

import os
from pathlib import Path

import load

LEFT_FREE = 3 << 30   # with less the kernel looks for pages to free, and takes names and inodes too
STEP = 128 * load.MIB
BALLAST = 1 << 40     # never read to its end; it is one hole and takes no disk


def forget(*paths):
    """Takes files out of the page cache: these, and all below those that are folders."""
    os.sync()  # what is dirty would stay
    for path in paths:
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file():
                with open(file, "rb") as content:
                    os.posix_fadvise(content.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def free_bytes():
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemFree:"))


class Ballast:
    """Fills free memory with pages of a sparse file, which the kernel gives up as soon as anybody needs them."""

    def __init__(self, folder):
        self.file = open(folder / "ballast", "wb+")
        self.file.truncate(BALLAST)
        self.nowhere, self.end = open("/dev/null", "wb"), 0

    def make_room(self, size):
        """Uses up what is free, then frees some of it: pages that were touched just now."""
        enough = self.end + size
        while self.end < enough or free_bytes() > LEFT_FREE:
            self.end += os.sendfile(self.nowhere.fileno(), self.file.fileno(), self.end, STEP)
        os.posix_fadvise(self.file.fileno(), self.end - size, size, os.POSIX_FADV_DONTNEED)
