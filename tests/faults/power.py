#!/usr/bin/python3
"""Cuts the power at every point of a workload, and looks at what a server makes of what the disk then holds.

    tests/faults/power.py                            600 states, a new seed, against $SLIPWAY_BIN
    tests/faults/power.py --states 15000 --seed 7    the same clients again, and more states

Clients work on a server whose calls $FILE_RECORDER writes down (file_recorder.cpp). For every call the record gives
states that a disk may be in if the power went right after it (power_disk.py): only what was flushed, all that was done,
a last write that is torn, and mixtures. As many as asked for are taken evenly; each that differs from those before is
laid out in a folder, a server is started on it, and asked for everything (power_check.py) that was acknowledged up to
there (power_history.py). A state that fails is kept, with what the server said.
"""

import argparse
import bisect
import concurrent.futures
import os
import random
import shutil
import sys
import tempfile
import time
import typing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import power_disk as disk  # noqa: E402 (it needs the path above)
import power_workload  # noqa: E402
from power_check import check  # noqa: E402
from power_history import History  # noqa: E402
from slipway_server import Server, run_slipway  # noqa: E402

CONFIG = '[server]\njournal_interval = "20ms"\n[log]\nlevel = "warn"\n[limits]\nmanifest_bytes = "64KiB"\n'
WAYS = ("least", "all", "torn", "some", "some", "some")


class Lost(Exception):
    """A state of the disk on which a promise does not hold."""


class Options(typing.NamedTuple):
    states: int
    seed: int
    clients: int
    rounds: int
    doctor: int  # every n-th state is looked at by `slipway doctor --deep` and `slipway rebuild --check` as well


def record_workload(folder, options):
    """Runs the clients; returns what the disk was told, in order, and what they were promised."""
    record, data = folder / "record", folder / "data"
    recorder = {"LD_PRELOAD": os.environ["FILE_RECORDER"], "RECORD_FILE": str(record), "RECORD_BELOW": str(data)}
    record.touch()
    history = History(record)
    with Server(folder, CONFIG, env=recorder) as server:
        power_workload.work(server, history, options.seed, options.clients, options.rounds)
    entries = disk.read_record(record)
    history.find_answers(entries, disk.SEND)
    return entries, history


def plan(entries, options):
    """What is tried: (number of the entry, way, seed), evenly taken of all there is."""
    every = [(number, way, f"{options.seed} {number} {variant}")
             for number, entry in enumerate(entries) if entry.kind != disk.SEND
             for variant, way in enumerate(WAYS) if way != "torn" or entry.kind == disk.WRITE]
    step = max(1.0, len(every) / options.states)
    return [every[int(i * step)] for i in range(min(options.states, len(every)))], len(every)


def states_of(entries, planned, history):
    """The planned states that differ, from the disk or in what was promised by then, each with its place."""
    at, reached, seen, promises = disk.Disk(), 0, set(), history.places()
    for index, way, seed in planned:
        for entry in entries[reached:index + 1]:
            if entry.kind != disk.SEND:
                at.replay(entry)
        reached = index + 1
        state, place = at.state(way, random.Random(seed)), entries[index].end
        key = (disk.print_of(state), bisect.bisect(promises, place))
        if key not in seen:
            seen.add(key)
            yield state, place, f"the power went after call {index}; left of what was not flushed: {way}"


def check_journal(folder):
    """Whatever part of the journal is there can be used, though it may end before the catalog does."""
    rebuilt = run_slipway("rebuild", "--check", "--data", folder / "data", folder=folder)
    if "the journal's" in rebuilt.stderr or "refers to no" in rebuilt.stderr:
        raise AssertionError(rebuilt.stderr)


def try_state(state, place, number, history, folder, options):
    """One state; returns how long the server took to start. What fails stays in the folder."""
    folder.mkdir()
    disk.lay_out(state, folder / "data")
    server = None
    try:
        if number % options.doctor == 0:
            check_journal(folder)
        begun = time.monotonic()
        server = Server(folder, CONFIG)
        started = time.monotonic() - begun
        check(server, history, place)
        if number % options.doctor == 0:
            report = server.slipway("doctor", "--deep", "--json")
            if report.returncode != 0:
                raise AssertionError(f"doctor: {report.stdout}{report.stderr}")
        server.kill()
        if "older than its journal" in server.read_log():
            raise AssertionError(server.read_log())
    except BaseException:
        if server and server.process:
            server.kill()
        raise
    shutil.rmtree(folder)
    return started


def main(options):
    folder = Path(tempfile.mkdtemp(prefix="slipway-power-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    entries, history = record_workload(folder, options)
    planned, possible = plan(entries, options)
    answered = sum(request.acknowledged != float("inf") for request in history.requests)
    print(f"seed {options.seed}: {len(entries)} calls, {answered} acknowledged requests; {len(planned)} of {possible} "
          "states of the disk", flush=True)
    begun, started, running = time.monotonic(), [], {}

    def collect(when):
        for done in concurrent.futures.wait(running, return_when=when).done:
            what = running.pop(done)
            if done.exception():
                raise Lost(f"seed {options.seed}: {what}; see {folder}") from done.exception()
            started.append(done.result())
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for number, (state, place, what) in enumerate(states_of(entries, planned, history)):
            task = pool.submit(try_state, state, place, number, history, folder / str(number), options)
            running[task] = f"state {number}: {what}"
            if len(running) >= 8:
                collect(concurrent.futures.FIRST_COMPLETED)
        collect(concurrent.futures.ALL_COMPLETED)
    started.sort()
    print(f"{len(started)} different ones in {time.monotonic() - begun:.0f} s: all held; a start took "
          f"{started[len(started) // 2] * 1000:.0f} ms (median), {started[-1] * 1000:.0f} ms at most")
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--doctor", type=int, default=10)
    sys.exit(main(Options(**vars(parser.parse_args()))))
