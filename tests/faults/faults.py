#!/usr/bin/python3
"""The server's files go wrong, at every call in turn: input/output errors, a full disk, interrupted and short calls, a
kill right before a call; during every kind of request, and while it starts.

    tests/faults/faults.py                      every call, against $SLIPWAY_BIN with $FILE_FAULTS preloaded
    tests/faults/faults.py --most 3 --seed 7    three calls of each operation and kind, the same as with that seed

For each kind (file_faults.py) and operation (fault_operations.py) the n-th call goes wrong, for n from 1 until none
does. Each trial is made twice: what was refused is asked again at once, or after a kill -9 and a restart. Every time the
answer is a success or says in the protocol's words what the log tells more of, all that was acknowledged before and
since is there byte for byte, and what was refused is there wholly or not at all (fault_world.py). Then come starts
(fault_starts.py).
"""

import argparse
import collections
import itertools
import random
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault_operations import OPERATIONS, LargeManifest  # noqa: E402 (it needs the path above)
from fault_starts import Starts  # noqa: E402
from fault_world import World, Wrong, new_folder  # noqa: E402
from file_faults import FOREVER, KINDS  # noqa: E402

LARGE_MOST = 12  # calls of the large manifest's thousands; its bytes stay in the catalog


class Tally:
    """What was tried."""

    def __init__(self):
        self.tried = collections.defaultdict(collections.Counter)  # by kind: trials, refusals
        self.places = collections.defaultdict(set)  # by kind: calls that went wrong, on which files

    def add(self, kind, struck, refused):
        self.tried[kind.name]["trials"] += 1
        self.tried[kind.name]["refused"] += refused
        self.places[kind.name].add(struck.what.split("/")[0].split(" (deleted)")[0])

    def total(self):
        return sum(each["trials"] for each in self.tried.values())

    def __str__(self):
        rows = [f"  {name:14}{each['trials']:7} trials{each['refused']:7} refused, at {len(self.places[name])} kinds of "
                "calls" for name, each in self.tried.items()]
        return "\n".join([f"{self.total()} faults:", *rows])


def numbers(calls, most, choose):
    """Which calls are to go wrong, of about that many: all, counting on until none does, or some."""
    return itertools.count(1) if calls <= most else sorted(choose.sample(range(1, calls + 1), most))


def try_operation(world, operation_type, kind, first, restart):
    """One trial; returns what was struck and whether something was refused."""
    world.recent = {}
    operation = operation_type(world)
    operation.prepare()
    world.arm(kind, first)
    left = operation.run()
    struck = world.disarm()
    if restart or (kind.name == "kill" and struck.struck):
        world.restart()
    world.settle()
    world.look()
    operation.run_again(left)
    world.look()
    return struck, bool(left)


def run_operations(world, tally, kinds, most, choose, operations=OPERATIONS):
    for operation_type, kind in itertools.product(operations, kinds):
        at = f"{operation_type.__name__}, {kind}"
        calls = try_operation(world, operation_type, kind, FOREVER, False)[0].calls
        limit = min(most, LARGE_MOST) if operation_type is LargeManifest else most
        try:
            for first in numbers(calls, limit, choose):
                at = f"{operation_type.__name__}, {kind} at call {first}"
                restarts = (False, True) if most > calls and kind.name != "kill" else (choose.random() < 0.5,)
                trials = [try_operation(world, operation_type, kind, first, restart) for restart in restarts]
                for struck, refused in trials:
                    if struck.struck:
                        tally.add(kind, struck, refused)
                if not any(struck.struck for struck, _ in trials):
                    break
            world.check_doctor()
        except Wrong as wrong:
            raise Wrong(f"{at} ({world.faults.peek().what}): {wrong}") from None
    world.restart()
    world.look(everything=True)
    world.check_doctor()


def run_starts(starts, tally, kinds, most, choose):
    for name, kind in itertools.product(("killed", "stopped", "empty"), kinds):
        calls = starts.trial(name, kind, FOREVER)[0].calls
        for first in numbers(calls, most, choose):
            try:
                struck, refused = starts.trial(name, kind, first)
            except (Wrong, AssertionError) as wrong:
                raise Wrong(f"a start over a {name} directory, {kind} at call {first} "
                            f"({starts.world.faults.peek().what}): {wrong}") from None
            if not struck.struck:
                break
            tally.add(kind, struck, refused)


def run(folder, seed, most, kinds=tuple(KINDS.values()), only=("operations", "starts")):
    """Returns a tally of operations and one of starts."""
    choose, tallies = random.Random(seed), {}
    for name, make, run_all in (("operations", World, run_operations), ("starts", Starts, run_starts)):
        if name not in only:
            continue
        (folder / name).mkdir()
        made = make(folder / name, f"{seed} {name}")
        world = made if name == "operations" else made.world
        try:
            if name == "operations":
                world.settle_down()
            tallies[name] = Tally()
            run_all(made, tallies[name], kinds, most, choose)
        finally:
            if world.server.process:
                world.server.kill()
    return tallies


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="(a new one)")
    parser.add_argument("--most", type=int, default=10**9, help="calls of each operation and kind (all)")
    parser.add_argument("--kind", choices=KINDS, action="append", help="(all)")
    parser.add_argument("--only", choices=["operations", "starts"], help="(both)")
    options = parser.parse_args()
    folder, begun = new_folder("slipway-faults-"), time.monotonic()
    print(f"seed {options.seed}", flush=True)
    kinds = [KINDS[name] for name in options.kind or KINDS]
    try:
        tallies = run(folder, options.seed, options.most, kinds, [options.only] if options.only else
                      ["operations", "starts"])
    except Wrong as wrong:
        sys.exit(f"seed {options.seed}: {wrong}\nThe servers' folders are in {folder}")
    for name, tally in tallies.items():
        print(f"{name}: {tally}")
    print(f"all held, in {time.monotonic() - begun:.0f} s")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
