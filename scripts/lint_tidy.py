#!/usr/bin/env python3
"""Runs clang-tidy on each source file that changed, itself or a header of ours it includes, since it was last clean.

What was clean is remembered under build/lint/tidy/ by a hash of everything that decides the answer, so a second run is
quick and a switch between branches costs nothing.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "dev"
CLEAN = ROOT / "build" / "lint" / "tidy"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
TIDY = ["clang-tidy-19", "--quiet", "-p", str(BUILD),
        # The database is GCC's; clang does not know all of its warnings.
        "--extra-arg=-Wno-unknown-warning-option"]


def ours_below(path, seen):
    """Adds path, and every file of ours that it includes, to seen."""
    if path in seen:
        return
    seen.add(path)
    for name in INCLUDE.findall(path.read_text()):
        for base in (ROOT / "src", ROOT / "tests", path.parent):
            if (base / name).is_file():
                ours_below((base / name).resolve(), seen)
                break


def stamp_of(path, command):
    files = set()
    ours_below(path, files)
    hasher = hashlib.sha256(command.encode())
    for file in [ROOT / ".clang-tidy", Path(__file__).resolve(), *sorted(files)]:
        hasher.update(str(file).encode() + b"\0" + file.read_bytes())
    return CLEAN / hasher.hexdigest()


def tidy(path):
    """What clang-tidy has to say about one file; empty when it is clean."""
    done = subprocess.run([*TIDY, str(path)], capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stdout or done.stderr).strip()


def main():
    stamps = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = Path(entry["file"])
        stamps[path] = stamp_of(path, entry["command"])
    changed = [path for path, stamp in stamps.items() if not stamp.exists()]
    print(f"{len(changed)} of {len(stamps)} files changed", flush=True)
    CLEAN.mkdir(parents=True, exist_ok=True)
    failed = False
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for path, complaint in zip(changed, pool.map(tidy, changed)):
            if complaint:
                failed = True
                print(complaint, flush=True)
            else:
                stamps[path].touch()
    return 1 if failed else 0


sys.exit(main())
