"""A run as it is kept: samples.json has every sample and what is needed to believe it; page and plots come from that.

So a page can be made anew, with other words or other plots, years after the machine is gone.
"""

import dataclasses
import datetime
import json
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path

import peers
import plots
import report
import scale
import site_scale
import targets
from report import Metric, Sample

SAMPLES = "samples.json"
OURS = targets.OURS


def machine():
    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return {"processor": models[0] if models else platform.machine(), "processors": len(models),
            "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
            "kernel": platform.release(), "system": system, "load": os.getloadavg()[0]}


@dataclass
class Result:
    date: str
    machine: dict
    settings: dict = field(default_factory=dict)
    samples: dict = field(default_factory=dict)  # {Metric: {peer: [Sample or None]}}
    scale: list = field(default_factory=list)
    site_scale: list = field(default_factory=list)

    @classmethod
    def new(cls):
        slipway = f"slipway {peers.version(peers.Slipway)}"
        return cls(datetime.date.today().isoformat(), machine() | {"slipway": slipway})

    def summary(self):
        return {metric: report.summarize(by_peer, OURS) for metric, by_peer in self.samples.items()}

    def peers(self):
        return {peer for by_peer in self.samples.values() for peer in by_peer}

    def write(self, path):
        """One line a case, so that a difference between two records can be read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({**dataclasses.asdict(metric), "samples": {
                     peer: [sample and [round(value, 3) for value in dataclasses.astuple(sample)] for sample in seen]
                     for peer, seen in by_peer.items()}}, ensure_ascii=False)
                 for metric, by_peer in self.samples.items()]
        head = {"date": self.date, "machine": self.machine, "settings": self.settings, "scale": self.scale,
                "site_scale": self.site_scale}
        path.write_text(json.dumps(head, ensure_ascii=False, indent=1)[:-2] + ',\n "cases": [\n  '
                        + ",\n  ".join(lines) + "\n ]\n}\n", "utf-8")

    @classmethod
    def read(cls, path):
        seen = json.loads(path.read_text("utf-8"))
        samples = {}
        for case in seen.pop("cases"):
            by_peer = case.pop("samples")
            samples[Metric(**case)] = {peer: [values and Sample(*values) for values in rows]
                                       for peer, rows in by_peer.items()}
        return cls(samples=samples, **seen)

    def notes(self):
        """What a reader must know to believe the tables, a line each."""
        host, settings = self.machine, self.settings
        lines = [f"{self.date}; {host['processors']} × {host['processor']}, {host['memory']}, {host['system']}, "
                 f"Linux {host['kernel']}; load average {host['load']:.1f} when it began; {host['slipway']}."]
        if not self.samples:
            return lines[0]
        versions = ", ".join(f"{name} {version}" for name, version in settings["versions"].items())
        lines += [] if settings["large"] else ["A quick run shows that everything works and not how fast it is; larger "
                                               "contents are left out, and 1 MiB stands for 100 MiB of memory's cases."]
        lines += [
            f"{versions}.",
            f"{settings['rounds']} rounds, {settings['seconds']} s a GET and server in each; "
            + ("servers on one processor, load on another; " if settings["pinned"] else "all processors for all; ")
            + "loopback, no TLS, no access logs"
            + ("; bytes in Ceph's object gateway and names in PostgreSQL, both in memory and on the same machine."
               if settings.get("services") else
               f"; {settings['files']:,} files of 100 bytes to 2 KiB in the folder that is published, all in memory."
               if settings.get("sites") else f"; {settings['tags']:,} tags in the list."),
            "A figure is the median of the rounds [smallest–largest]; a ratio is taken within a round. Speed above 1: "
            "slipway is faster. CPU and memory below 1, and requests, bytes, s and ms: slipway needs less.",
            *(f"{name} {promise}." for name, promise in settings["durable"].items()),
            *(f"{name} is missing: it could not be had on this machine ({hint})."
              for name, hint in settings["absent"].items()),
            *(f"Failed: {failure}." for failure in settings["failures"]),
        ]
        return "\n".join(lines)


def render(result, folder):
    """Writes the page and its plots into the folder."""
    parts = [f"# Benchmarks, {result.date}", "",
             "Made by `./dev bench --record`; `bench/README.md` tells how to read it."]
    summary = result.summary()
    if result.samples:
        names = [peer for peer in result.settings["versions"] if peer != OURS]
        wanted = targets.of(result.settings)
        judged = targets.judge(wanted, summary, result.scale, result.settings["failures"])
        parts += ["", "## Targets", "", report.markdown(judged), "", "## Beside other servers", ""]
        for name, text, svg in plots.comparisons(summary, names, wanted):
            (folder / name).write_text(svg, "utf-8")
            parts += [f"![{text}]({name})", ""]
        parts += [report.markdown(report.ratios(summary, OURS, names))]
    if result.scale:
        (folder / "scale.svg").write_text(plots.growth(result.scale), "utf-8")
        parts += ["", "## Cost against size", "", "![Cost against the number of manifests](scale.svg)", "",
                  report.markdown(scale.table(result.scale))]
    if result.site_scale:
        (folder / "site_scale.svg").write_text(plots.site_growth(result.site_scale), "utf-8")
        parts += ["", "## Cost of one change", "", "![Cost of a publish against the number of files](site_scale.svg)",
                  "", report.markdown(site_scale.table(result.site_scale))]
    parts += ["", "## What was measured", "", *(f"- {line}" for line in result.notes().split("\n"))]
    if result.samples:
        parts += ["", "## All figures", "", report.markdown(report.details(summary, OURS))]
    (folder / "README.md").write_text("\n".join(parts) + "\n", "utf-8")
