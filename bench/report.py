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
    load: str  # what sends it, over how many connections
    unit: str  # of the rate, of which more is better; or MiB, ms, requests, of which less is
    cost_unit: str = ""  # "µs/req" or "ms/GB"; empty where CPU was not measured

    @property
    def is_memory(self):
        return self.unit == "MiB"


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
    """From {peer: [Sample of each round, or None where it failed]} to {peer: figures}, each with its ratios to `ours`
    round by round. A peer that never succeeded is left out."""
    figures = {}
    for peer, all_theirs in samples.items():
        theirs = [sample for sample in all_theirs if sample]
        if not theirs:
            continue
        figures[peer] = {
            "rate": spread([sample.rate for sample in theirs]),
            "cost": spread([sample.cost for sample in theirs]),
            "p99_ms": spread([sample.p99_ms for sample in theirs]),
            "peak_mib": spread([sample.peak_kib / 1024 for sample in theirs]),
            "peak_kib": max(sample.peak_kib for sample in theirs),
        }
        pairs = [(a, b) for a, b in zip(samples.get(ours, []), all_theirs) if a and b]
        if peer != ours and pairs:
            figures[peer]["speed_ratio"] = spread([a.rate / b.rate for a, b in pairs])
            if all(b.cost for _, b in pairs):
                figures[peer]["cost_ratio"] = spread([a.cost / b.cost for a, b in pairs])
    return figures


# --- Cells

def number(value):
    """Three digits or so, with a k for thousands: 1183 → 1.18k."""
    if value >= 1000:
        return number(value / 1000) + "k"
    decimals = next(digits for digits, least in enumerate((100, 10, 0.1, 0)) if value >= least)
    return f"{value:.{decimals}f}"


def between(figures):
    return f"{number(figures['median'])} [{number(figures['min'])}–{number(figures['max'])}]"


# --- Tables: lists of rows of cells, the first is the header

def ratios(results, ours, peers):
    """The one table: a row a case, what ours does, how many times that is what each peer does, and at whose CPU."""
    table = [["case", ours, *(f"÷ {peer}" for peer in peers), *(f"CPU ÷ {peer}" for peer in peers[-1:])]]
    for metric, figures in results.items():
        mine = figures.get(ours)
        row = [metric.title, f"{between(mine['rate'])} {metric.unit}" if mine else "—"]
        for kind, whose in (("speed_ratio", peers), ("cost_ratio", peers[-1:])):
            row += [between(figures[peer][kind]) if kind in figures.get(peer, {}) else "—" for peer in whose]
        table.append(row)
    return table


def details(results, ours):
    """Everything: a row a case and server."""
    table = [["case", "server", "median [min–max]", f"{ours} ÷ peer", "p99 ms", "server CPU", f"CPU: {ours} ÷ peer",
              "peak RSS"]]
    for metric, figures in results.items():
        for i, (peer, seen) in enumerate(figures.items()):
            table.append([
                metric.title if i == 0 else metric.load if i == 1 else "",
                peer,
                f"{between(seen['rate'])} {metric.unit}",
                between(seen["speed_ratio"]) if "speed_ratio" in seen else "",
                number(seen["p99_ms"]["median"]) if seen["p99_ms"]["median"] else "",
                f"{number(seen['cost']['median'])} {metric.cost_unit}" if seen["cost"]["median"] else "",
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
