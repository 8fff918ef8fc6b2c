#!/usr/bin/python3
"""Measures Slipway beside docker-registry, distribution, zot and nginx: one machine, one run, the same bytes.

    ./dev bench                       seven rounds of all cases, some 40 minutes
    ./dev bench --quick               one short round: shows that it works, not how fast anything is
    ./dev bench --only 'push 4 KiB'   the cases whose titles have that in them; --list prints the titles
    ./dev bench --services            Slipway on Ceph and PostgreSQL beside docker-registry on the same Ceph, 20 minutes
    ./dev bench --sites               folders as sites, beside nginx and rsync; what one change of a million files costs
    ./dev bench --opam            opam repositories, beside git, opam admin and nginx; --tree DIR for a real one
    ./dev bench --scale               what one Slipway costs at 10,000, 100,000 and 1,000,000 manifests
    ./dev bench --record DIR          both, and the result as a page with tables and plots, and every sample, in DIR
    ./dev bench --render DIR          makes page and plots anew from the samples there, and measures nothing

A peer that is not installed and cannot be built here is left out, and the result says so. With two or more processors
the servers share the first one, and the load generator has another to itself.
"""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path

import cases
import load
import opam_cases
import peers
import record
import report
import rounds
import scale
import service_cases
import services
import site_scale
import sites
import targets

ROOT = Path(__file__).resolve().parent.parent
OURS = peers.Slipway.name


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small contents, one round of a second for each case")
    parser.add_argument("--scale", action="store_true", help="grow one server instead of comparing several")
    parser.add_argument("--services", action="store_true", help="with the bytes in Ceph, which needs 16 GiB of memory")
    parser.add_argument("--sites", action="store_true", help="folders as sites, with --scale only the one that grows")
    parser.add_argument("--opam", action="store_true", help="opam repositories: merges until they are live, and serving")
    parser.add_argument("--tree", type=Path, metavar="DIR",
                        help="with --opam: a folder with packages/ and repo, such as a checkout of ocaml/opam-repository")
    parser.add_argument("--record", type=Path, metavar="DIR", help="compare and grow, and write the result there")
    parser.add_argument("--render", type=Path, metavar="DIR", help="write page and plots from DIR/samples.json")
    parser.add_argument("--only", action="append", metavar="CASE", help="cases with this in their title; repeatable")
    parser.add_argument("--list", action="store_true", help="print the titles of the cases")
    parser.add_argument("--rounds", type=int, help="how many measured rounds (7; medians want at least that)")
    parser.add_argument("--seconds", type=int, help="how long a case runs on one server in a round (2)")
    parser.add_argument("--peers", help="which servers (all)")
    parser.add_argument("--no-scale", action="store_true",
                        help="with --record: compare only, and keep the growth in DIR")
    parser.add_argument("--manifests", type=int, default=1_000_000,
                        help="grow no further than this; with --sites so many files (%(default)s)")
    parser.add_argument("--no-pin", action="store_true", help="let servers and load generator use all processors")
    parser.add_argument("--scratch", help="where servers keep their data: 25 GB on a real disk (a directory in TMPDIR)")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json", help="every sample (%(default)s)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the tables once more, as Markdown")
    args = parser.parse_args()
    args.cases, args.known = ((service_cases.CASES, services.PEERS) if args.services else
                              (sites.CASES, sites.PEERS) if args.sites else
                              (opam_cases.CASES, opam_cases.PEERS) if args.opam else (cases.CASES, rounds.PEERS))
    args.rounds = args.rounds or (1 if args.quick else 7)
    args.seconds = args.seconds or (1 if args.quick else 2)
    return args


def chosen_cases(known, only):
    chosen = [case for case in known if not only or any(word in case.metric.title for word in only)]
    if not chosen:
        sys.exit(f"bench: no case has {' or '.join(only)} in its title; --list prints them")
    return chosen


def processors(pin):
    """(for the servers, for the load generator): one each, or all for both."""
    available = sorted(os.sched_getaffinity(0))
    if not pin or len(available) < 2:
        return set(available), set(available)
    return {available[0]}, {available[1]}


def compare(args, scratch, servers_on, load_on):
    """Runs the rounds; returns (the settings that they had, {metric: {peer: samples}})."""
    if not peers.find("wrk"):
        sys.exit("bench: wrk is missing: apt-get install wrk")
    chosen_peers, absent = rounds.choose((args.peers or ",".join(args.known)).split(","), args.known)
    for name, hint in absent.items():
        print(f"{name} cannot be had here and is left out: {hint}", file=sys.stderr)
    settings = {"rounds": args.rounds, "seconds": args.seconds, "pinned": servers_on != load_on, "absent": absent,
                "services": args.services, "sites": args.sites, "large": not args.quick, "large_pushes": 3,
                "tags": 2000 if args.quick else 100_000, "files": sites.QUICK_FILES if args.quick else sites.FILES,
                "durable": {peer.name: peer.durable for peer in chosen_peers},
                "versions": {peer.name: peers.version(peer) for peer in chosen_peers}}
    if args.sites:
        settings["absent"] |= sites.absent()
    if args.opam:
        settings["absent"] |= opam_cases.absent()
        settings |= {"opam": True, "tree": str(args.tree) if args.tree else "",
                     "packages": opam_cases.QUICK_PACKAGES if args.quick else opam_cases.PACKAGES}
    measure_cases = sites.measure if args.sites else opam_cases.measure if args.opam else rounds.measure
    with services.Services() if args.services else contextlib.nullcontext():
        samples, settings["failures"] = measure_cases(chosen_cases(args.cases, args.only), chosen_peers, scratch,
                                                      settings, servers_on, load_on)
    return settings, samples


def measure(args):
    """All that was asked for, as a Result; what was recorded before stays where it was not measured anew."""
    # An object store and a database need more than the servers do, and who has which processor is nobody's to say.
    servers_on, load_on = processors(not args.no_pin and not args.services)
    result = record.Result.new()
    if args.record and args.no_scale and (args.record / record.SAMPLES).exists():
        before = record.Result.read(args.record / record.SAMPLES)
        result.scale, result.site_scale = before.scale, before.site_scale
    with tempfile.TemporaryDirectory(prefix="slipway-bench-", dir=args.scratch) as folder:
        scratch = Path(folder)
        if not args.scale:
            result.settings, result.samples = compare(args, scratch, servers_on, load_on)
            result.write(args.json)
        if args.sites and not args.no_scale:
            result.site_scale = site_scale.measure(scratch, args.seconds, servers_on, load_on, args.quick,
                                                   args.manifests)
        elif args.scale or args.record and not (args.no_scale or args.services or args.opam):
            result.scale = scale.measure(scratch, args.seconds, servers_on, load_on, args.quick, args.manifests)
    return result


def show(result, markdown):
    """Prints tables; `markdown` is the file that gets the same."""
    tables = []
    if result.samples:
        results, there = result.summary(), result.peers()
        names = [name for name in result.settings["versions"] if name in there and name != OURS]
        tables = [report.ratios(results, OURS, names), report.details(results, OURS)]
    if result.scale:
        tables.append(scale.table(result.scale))
    if result.site_scale:
        tables.append(site_scale.table(result.site_scale))
    if result.samples and result.settings["large"]:
        tables.append(targets.judge(targets.of(result.settings), results, result.scale, result.settings["failures"]))
    print(*map(report.text, tables), result.notes(), sep="\n\n")
    if markdown:
        markdown.write_text("\n\n".join([*map(report.markdown, tables), *result.notes().split("\n")]) + "\n", "utf-8")


def main():
    args = arguments()
    if args.list:
        print(*(case.metric.title for case in args.cases), sep="\n")
        return
    if args.render:
        record.render(record.Result.read(args.render / record.SAMPLES), args.render)
        return
    result = measure(args)
    result.write(args.json)
    if args.record:
        args.record.mkdir(parents=True, exist_ok=True)
        result.write(args.record / record.SAMPLES)
        record.render(result, args.record)
    show(result, args.markdown)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # else the servers would outlive us
    try:
        main()
    except (load.LoadError, peers.PeerError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; everything is stopped")
