"""The plots of a record, as SVG: ratios with their spread, memory, and cost against size."""

from report import number
from svg import LinearAxis, LogAxis, Svg, label

OURS = "slipway"
LEFT, ROW, WIDTH = 262, 15, 860


def comparisons(summary, names, targets):
    """Yields (file name, what it shows, SVG) for each group of cases."""
    groups = (
        ("gets.svg", "GETs: how many times faster than each peer", ("GET", "HEAD", "list")),
        ("pushes.svg", "Pushes: how many times faster than each peer", ("push",)))
    for file, title, beginnings in groups:
        rows = {metric: figures for metric, figures in summary.items() if metric.title.startswith(beginnings)}
        if rows:
            yield file, title, ratio_plot(title, rows, names, targets, "speed_ratio")
    rows = {metric: figures for metric, figures in summary.items() if metric.title.startswith(("GET", "push", "HEAD"))}
    if rows:
        title = "Server CPU: how many times that of each peer"
        yield "cpu.svg", title, ratio_plot(title, rows, names, targets, "cost_ratio")
    rows = {metric: figures for metric, figures in summary.items() if metric.is_memory}
    if rows:
        yield "memory.svg", "Memory of each server", memory_plot(rows, [OURS, *names])


# --- Ratios: a block a case, a line a peer

def legend(svg, names, x, y, goals=True):
    for name in names:
        svg.dot(x + 5, y - 4, name)
        svg.text(x + 14, y, name, "small")
        x += 26 + 6.4 * len(name)
    if goals:
        svg.path(triangle(x + 6, y - 4), "goal s-quiet")
        svg.text(x + 18, y, "what we want to reach", "small")


def triangle(x, y, towards=1):
    """It stands on the wanted value and points to where more than that would be even better."""
    return f"M{x:.1f} {y - 4.5:.1f}L{x + 7 * towards:.1f} {y:.1f}L{x:.1f} {y + 4.5:.1f}Z"


def bands(svg, counts, gap):
    """Every other block stands on a band, for the eye to follow."""
    y = 72
    for block, count in enumerate(counts):
        if block % 2 == 0:
            svg.rect(8, y - gap / 2 + 2, WIDTH - 16, count * ROW + gap, "band")
        y += count * ROW + gap


def ticks(svg, axis, bottom, unit):
    for tick in axis.ticks():
        svg.line(axis.at(tick), 68, axis.at(tick), bottom, "grid")
        svg.text(axis.at(tick), bottom + 16, label(tick) + unit, "small quiet", "middle")


def goal(metric, peer, figure, targets):
    """(what is wanted of a case beside a peer, 1 for at least and -1 for at most that), or None."""
    for target in targets:
        meant = metric.title.startswith(target.cases) and not (target.but and target.but in metric.title)
        if meant and target.peer == peer and target.figure == figure:
            return (target.least, 1) if target.least else (target.most, -1)
    return None


def ratio_plot(title, rows, names, targets, figure):
    lines = [(metric, [(peer, figures[peer][figure]) for peer in names if figure in figures.get(peer, {})])
             for metric, figures in rows.items()]
    lines = [(metric, peers) for metric, peers in lines if peers]
    height = 112 + sum(len(peers) * ROW + 10 for _, peers in lines)
    svg = Svg(WIDTH, height, title)
    values = [1, *(value for _, peers in lines for _, seen in peers for value in (seen["min"], seen["max"])),
              *((goal(metric, peer, figure, targets) or [1])[0] for metric, peers in lines for peer, _ in peers)]
    axis = LogAxis(values, LEFT, WIDTH - 70)
    svg.text(16, 26, title, "title")
    legend(svg, names, 16, 48)
    bottom = height - 34
    bands(svg, [len(peers) for _, peers in lines], 10)
    ticks(svg, axis, bottom, "×")
    svg.line(axis.at(1), 66, axis.at(1), bottom, "one")
    y = 72
    for metric, peers in lines:
        svg.text(LEFT - 16, y + len(peers) * ROW / 2 + 6, metric.title, anchor="end")
        for peer, seen in peers:
            ratio_line(svg, axis, y + ROW / 2 + 2, peer, seen, goal(metric, peer, figure, targets))
            y += ROW
        y += 10
    less = "slipway needs less" if figure == "cost_ratio" else "the peer is faster"
    more = "slipway needs more" if figure == "cost_ratio" else "slipway is faster"
    svg.text(axis.at(1) - 8, 64, f"← {less}", "small quiet", "end")
    svg.text(axis.at(1) + 8, 64, f"{more} →", "small quiet")
    svg.text((LEFT + WIDTH - 70) / 2, bottom + 31, "median and range of the rounds, logarithmic", "small quiet",
             "middle")
    return str(svg)


def ratio_line(svg, axis, y, peer, seen, wanted):
    svg.line(axis.at(seen["min"]), y, axis.at(seen["max"]), y, f"line s-{peer}")
    svg.dot(axis.at(seen["median"]), y, peer)
    end = axis.at(seen["max"])
    if wanted:
        value, towards = wanted
        svg.path(triangle(axis.at(value), y, towards), f"goal s-{peer}")
    if wanted and end < axis.at(wanted[0]) < end + 44:  # where the number would stand
        svg.text(axis.at(seen["min"]) - 9, y + 4, number(seen["median"]), "small quiet value", "end")
    else:
        svg.text(end + 9, y + 4, number(seen["median"]), "small quiet value")


# --- Memory: a block a case, a bar a server

def memory_plot(rows, names, wanted=64):
    height = 112 + sum(len(figures) * ROW + 12 for figures in rows.values())
    svg = Svg(WIDTH, height, "Memory of each server")
    axis = LogAxis([wanted, *(value for figures in rows.values() for seen in figures.values()
                              for value in (seen["rate"]["min"], seen["rate"]["max"]))], LEFT, WIDTH - 70)
    svg.text(16, 26, "Memory of each server", "title")
    legend(svg, names, 16, 48, goals=False)
    bottom = height - 34
    bands(svg, [len(figures) for figures in rows.values()], 12)
    ticks(svg, axis, bottom, "")
    svg.line(axis.at(wanted), 66, axis.at(wanted), bottom, "one")
    y = 72
    for metric, figures in rows.items():
        svg.text(LEFT - 16, y + len(figures) * ROW / 2 + 6, metric.title.removeprefix("memory: "), anchor="end")
        for peer, seen in figures.items():
            ratio_line(svg, axis, y + ROW / 2 + 2, peer, seen["rate"], None)
            y += ROW
        y += 12
    svg.text(axis.at(wanted), 62, f"{wanted} MiB: slipway's bound", "small quiet", "middle")
    svg.text((LEFT + WIDTH - 70) / 2, bottom + 31, "resident MiB, median and range of the rounds, logarithmic",
             "small quiet", "middle")
    return str(svg)


# --- Growth: a panel a figure

PANELS = (
    ("Start to ready, ms", (("start, warm", "warm page cache", "docker-registry"), ("start, cold", "cold", "nginx"))),
    ("Tag lookup, µs of CPU", (("CPU of a tag lookup", "random tags of all", "docker-registry"),)),
    ("A page of 100, µs", (("100 tags, middle", "tags", "docker-registry"),
                           ("100 repositories, middle", "repositories", "distribution"),
                           ("100 referrers, last", "referrers", "zot"))),
    ("Push of a manifest, µs", (("push of a tag", "push", "docker-registry"),
                                ("deletion of a manifest", "deletion", "nginx"))),
    ("Resident memory, MiB", (("RSS after start", "after a start", "docker-registry"),
                              ("RSS after lookups", "after lookups", "nginx"))),
    ("Catalog, bytes a manifest", (("catalog, bytes a manifest", "catalog", "docker-registry"),)),
)


SITE_PANELS = (
    ("One changed file: seconds", (("one change, s", "publish", "docker-registry"),
                                   ("no change, s", "nothing changed", "nginx"))),
    ("One changed file: requests", (("one change, requests", "publish", "docker-registry"),
                                    ("no change, requests", "nothing changed", "nginx"))),
    ("One changed file: KiB sent", (("one change, KiB sent", "publish", "docker-registry"),)),
    ("One changed file: server's CPU, ms", (("one change, server's CPU, ms", "publish", "docker-registry"),
                                            ("no change, server's CPU, ms", "nothing changed", "nginx"))),
    ("Memory, MiB", (("one change, client's memory, MiB", "of the client", "docker-registry"),
                     ("one change, server's memory, MiB", "of the server", "nginx"))),
    ("A random page: server's CPU, µs", (("random pages, server's CPU, µs", "GET", "docker-registry"),)),
)


def growth(steps):
    return panels(steps, PANELS, "manifests", "One Slipway: cost against the number of manifests",
                  "manifests (and tags), logarithmic; each vertical axis begins at zero")


def site_growth(steps):
    return panels(steps, SITE_PANELS, "files", "One Slipway: cost of publishing against the number of files",
                  "files in the folder, logarithmic; each vertical axis begins at zero")


def panels(steps, of, size, title, below):
    """`of` as PANELS: (title, (key of the steps, its name, whose colour)…) each."""
    columns, width, height = 3, 286, 226
    rows = (len(of) + columns - 1) // columns
    svg = Svg(columns * width + 16, rows * height + 58, title)
    svg.text(16, 26, title, "title")
    for i, (heading, series) in enumerate(of):
        panel(svg, 16 + i % columns * width, 44 + i // columns * height, width - 20, height - 30, heading,
              series, steps, [step[size] for step in steps])
    svg.text((columns * width + 16) / 2, rows * height + 44, below, "small quiet", "middle")
    return str(svg)


def panel(svg, left, top, width, height, title, series, steps, sizes):
    inner_left, bottom = left + 40, top + height - 22
    across = LogAxis(sizes, inner_left, left + width, steps=(1,))
    up = LinearAxis([step[key] for step in steps for key, _, _ in series], bottom, top + 40)
    svg.text(left, top + 12, title)
    for tick in up.ticks():
        svg.line(inner_left, up.at(tick), left + width, up.at(tick), "grid")
        svg.text(inner_left - 6, up.at(tick) + 4, label(tick), "small quiet", "end")
    for size in sizes:
        svg.text(across.at(size), bottom + 16, label(size), "small quiet", "middle")
    svg.line(inner_left, bottom, left + width, bottom, "axis")
    x = left
    for key, name, colour in series:
        points = [(across.at(size), up.at(step[key])) for size, step in zip(sizes, steps)]
        svg.polyline(points, colour)
        for point in points:
            svg.dot(*point, colour, 3.5)
        if len(series) > 1:
            svg.dot(x + 4, top + 24, colour, 3.5)
            svg.text(x + 11, top + 28, name, "small")
            x += 24 + 6 * len(name)
