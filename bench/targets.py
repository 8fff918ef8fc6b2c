"""What we want to reach, and whether a run reached it: judged by the median of the rounds' own ratios."""

from typing import NamedTuple

from report import number

OURS = "slipway"
START_MANIFESTS = 1_000_000


class Target(NamedTuple):
    text: str
    cases: tuple  # beginnings of titles
    figure: str   # of summarize(): speed_ratio, cost_ratio, or rate for a figure of ours alone
    peer: str = OURS
    least: float = 0
    most: float = float("inf")
    but: str = ""  # titles with this in them are not meant

    def met_by(self, value):
        return self.least <= value <= self.most

    @property
    def wanted(self):
        return f"≥ {self.least:g}" if self.least else f"≤ {self.most:g}"


MANIFEST_GET = ("GET manifest",)
TARGETS = [
    Target("manifest GET ÷ docker-registry", MANIFEST_GET, "speed_ratio", "docker-registry", least=20),
    Target("manifest GET ÷ zot", MANIFEST_GET, "speed_ratio", "zot", least=5),
    Target("manifest GET ÷ nginx's small file", MANIFEST_GET, "speed_ratio", "nginx", least=0.8),
    Target("blob GET ÷ nginx", ("GET blob",), "speed_ratio", "nginx", least=0.95),
    Target("CPU of a blob GET ÷ nginx", ("GET blob",), "cost_ratio", "nginx", most=1.1),
    Target("100 MiB push ÷ docker-registry", ("push 100 MiB",), "speed_ratio", "docker-registry", least=3,
           but="on disk"),
    Target("100 MiB push of one client ÷ nginx DAV", ("push 100 MiB monolithic, 1 client",), "speed_ratio", "nginx",
           least=1),
    Target("small pushes at 16 clients ÷ docker-registry", ("push 4 KiB monolithic, 16", "push 4 KiB chunked, 16"),
           "speed_ratio", "docker-registry", least=5),
    Target("memory, MiB", ("memory",), "rate", most=64),
]

# With the bytes in an object store and the names in PostgreSQL (services.py).
PARTS = 13  # of 8 MiB in 100
SERVICES = [
    Target("manifest GET ÷ SQLite's", MANIFEST_GET, "speed_ratio", "slipway-sqlite", least=0.5),
    Target("100 MiB push ÷ docker-registry", ("push",), "speed_ratio", "docker-registry", least=1),
    Target("100 MiB pull ÷ docker-registry", ("GET blob",), "speed_ratio", "docker-registry", least=1),
    Target("memory of pushes and pulls, MiB", ("push", "GET blob"), "peak_mib", most=128),
    Target("store requests of a push", ("store requests",), "rate", most=2 + PARTS),
    Target("last byte to 201 ÷ docker-registry", ("last byte",), "speed_ratio", "docker-registry", most=1),
]

# Folders as sites (sites.py).
SITES = [
    Target("small page GET ÷ nginx", ("GET page",), "speed_ratio", "nginx", least=0.8),
    Target("100 MiB file GET ÷ nginx", ("GET file",), "speed_ratio", "nginx", least=0.95),
]

# Opam repositories (opam_cases.py).
OPAM = [
    Target("first publication, s", ("first publication",), "rate", most=10),
    Target("a merge until it is live, s", ("a merge until it is live",), "rate", most=1),
    Target("a merge ÷ git pull and opam admin index", ("a merge until it is live",), "speed_ratio", "nginx", most=1),
    Target("source GET ÷ nginx", ("GET source",), "speed_ratio", "nginx", least=0.95),
    Target("memory, MiB", ("resident memory",), "rate", most=256),
]


def of(settings):
    for name, wanted in (("services", SERVICES), ("sites", SITES), ("opam", OPAM)):
        if settings.get(name):
            return wanted
    return TARGETS


def judge(wanted, results, scale, failures=()):
    """A table: a row a target that is `wanted`, with the worst case of it in front. `scale` is the list of scale.py, or
    empty; a case in which ours failed, even once, did not reach its target."""
    table = [["target", "wanted", "worst", "where", "reached"]]
    for target in wanted:
        meant = {metric.title: figures for metric, figures in results.items()
                 if metric.title.startswith(target.cases) and not (target.but and target.but in metric.title)}
        failed = {title for title in meant if any(text.startswith(f"{title}, {OURS}:") for text in failures)}
        seen = [(figures[target.peer][target.figure]["median"], title) for title, figures in meant.items()
                if target.figure in figures.get(target.peer, {})]
        worst, where = (min if target.least else max)(seen, default=(0, "not measured"))
        met = {title for value, title in seen if target.met_by(value)} - failed
        asked = len({title for _, title in seen} | failed)
        verdict = "yes" if len(met) == asked else f"in {len(met)} of {asked} cases" if met else "no"
        table.append([target.text, target.wanted, number(worst) if seen else "—", where, "—" if not asked else
                      verdict + "; it failed at times" * bool(failed)])
    if wanted is not TARGETS:
        return table
    starts = [step for step in scale if step["manifests"] == START_MANIFESTS]
    wanted, text = 0.3, f"start at {START_MANIFESTS:,} manifests, s"
    if not starts:
        return [*table, [text, f"≤ {wanted}", "—", "not measured", "—"]]
    worst, where = max((starts[0][f"start, {cache}"] / 1e3, f"{cache} page cache") for cache in ("warm", "cold"))
    return [*table, [text, f"≤ {wanted}", number(worst), where, "yes" if worst <= wanted else "no"]]
