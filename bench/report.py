"""From samples to medians, ratios and tables.

A ratio is taken within a round, where both servers met the same weather, and only then is the median taken over the
rounds: on a shared machine the rates of one server drift by 15 % while the ratios stay.
"""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Metric:
    """How a case's figures read. `cost` is server CPU a unit of work."""
    title: str
    load: str  # who sends it, over how many connections
    unit: str  # of the rate: "req/s" or "MB/s"; higher is better
    cost_unit: str = ""  # "µs/req" or "ms/GB"; empty where CPU was not measured


@dataclass(frozen=True)
class Sample:
    """One measurement of one server in one round."""
    rate: float
    cost: float = 0
    peak_kib: int = 0
    p99_ms: float = 0


def spread(values):
    return {"median": median(values), "min": min(values), "max": max(values)}


def summarize(samples, ours):
    """From {peer: [Sample of each round]} to {peer: figures}, each with its ratios to `ours` round by round."""
    figures = {}
    for peer, theirs in samples.items():
        figures[peer] = {
            "rate": spread([sample.rate for sample in theirs]),
            "cost": spread([sample.cost for sample in theirs]),
            "p99_ms": spread([sample.p99_ms for sample in theirs]),
            "peak_kib": max(sample.peak_kib for sample in theirs),
        }
        if peer != ours and ours in samples:
            pairs = list(zip(samples[ours], theirs))
            figures[peer]["speed_ratio"] = spread([a.rate / b.rate for a, b in pairs])
            if all(b.cost for _, b in pairs):
                figures[peer]["cost_ratio"] = spread([a.cost / b.cost for a, b in pairs])
    return figures


# --- Tables

def number(value):
    """Three digits or so, with a k for thousands: 1183 → 1.18k."""
    if value >= 1000:
        return number(value / 1000) + "k"
    decimals = next(digits for digits, least in enumerate((100, 10, 0.1, 0)) if value >= least)
    return f"{value:.{decimals}f}"


def between(figures):
    return f"{number(figures['median'])} [{number(figures['min'])}–{number(figures['max'])}]"


def header(ours):
    return ["case", "server", "median [min–max]", f"{ours} ÷ peer: speed", "p99 ms", "server CPU",
            f"{ours} ÷ peer: CPU", "peak RSS"]


def rows(results, ours):
    """One row a case and peer; `results` is {Metric: figures of summarize()}."""
    table = [header(ours)]
    for metric, figures in results.items():
        for i, (peer, seen) in enumerate(figures.items()):
            table.append([
                metric.title if i == 0 else metric.load if i == 1 else "",
                peer,
                f"{between(seen['rate'])} {metric.unit}",
                between(seen["speed_ratio"]) if "speed_ratio" in seen else "",
                number(seen["p99_ms"]["median"]) if seen["p99_ms"]["median"] else "",
                f"{number(seen['cost']['median'])} {metric.cost_unit}" if metric.cost_unit else "",
                number(seen["cost_ratio"]["median"]) if "cost_ratio" in seen else "",
                f"{seen['peak_kib'] / 1024:.0f} MiB" if seen["peak_kib"] else "",
            ])
        table.append([])
    return table[:-1]


def text(table):
    widths = [max(len(row[i]) for row in table if row) for i in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def markdown(table):
    def line(cells):
        return "| " + " | ".join(cells) + " |"

    return "\n".join([line(table[0]), line(["---"] * len(table[0])), *(line(row) for row in table[1:] if row)])
