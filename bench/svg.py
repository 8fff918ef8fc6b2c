"""As much of SVG as our plots need: text stays text, and colours follow the reader's light or dark page.

Colours are classes, not values: the style sheet in each file knows both sets, so that a picture embedded in a page
looks right without a script.
"""

import math
from html import escape

#         name: (on a light page, on a dark page); told apart by those who see fewer colours as well
COLOURS = {
    "page": ("#ffffff", "#0d1117"), "ink": ("#1f2328", "#e6edf3"), "quiet": ("#656d76", "#9198a1"),
    "grid": ("#dfe3e8", "#2b323b"), "band": ("#f5f7f9", "#151b23"),
    "slipway": ("#1f2328", "#e6edf3"), "docker-registry": ("#0969da", "#58a6ff"),
    "distribution": ("#1a7f6b", "#3fc4a8"), "zot": ("#b35900", "#f0a04b"), "nginx": ("#a0308c", "#e07fcf"),
    "slipway-sqlite": ("#a0308c", "#e07fcf"),  # never beside nginx
}
SHAPES = """\
text { font: 12px system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
.title { font-size: 15px; font-weight: 600; }
.small { font-size: 11px; }
.grid, .axis { stroke-width: 1; }
.one { stroke-width: 1.5; }
.line { fill: none; stroke-width: 2; }
.goal { fill: none; stroke-width: 1.8; }
.value { paint-order: stroke; stroke-width: 3px; stroke-opacity: 0.85; }
"""


def paint(i):
    """The rules that colour things. Not custom properties: converters of SVG do not know these."""
    page, ink, quiet, grid, band = (COLOURS[name][i] for name in ("page", "ink", "quiet", "grid", "band"))
    rules = [f"text {{ fill: {ink}; }}", f"text.quiet {{ fill: {quiet}; }}", f".page {{ fill: {page}; }}",
             f".band {{ fill: {band}; }}", f".grid {{ stroke: {grid}; }}", f".axis {{ stroke: {quiet}; }}",
             f".one {{ stroke: {ink}; }}", f".value {{ stroke: {page}; }}"]
    for name, pair in COLOURS.items():
        rules += [f".s-{name} {{ stroke: {pair[i]}; }}", f".f-{name} {{ fill: {pair[i]}; }}"]
    return "\n".join(rules)


def style():
    return f"{SHAPES}{paint(0)}\n@media (prefers-color-scheme: dark) {{\n{paint(1)}\n}}\n"


class Svg:
    def __init__(self, width, height, title):
        self.width, self.height, self.parts = width, height, []
        self.title = title
        self.rect(0, 0, width, height, "page")

    def add(self, element, text=None, **attributes):
        words = " ".join(f'{name.rstrip("_").replace("_", "-")}="{self.plain(value)}"'
                         for name, value in attributes.items())
        self.parts.append(f"<{element} {words}/>" if text is None else
                          f"<{element} {words}>{escape(text)}</{element}>")

    @staticmethod
    def plain(value):
        return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else escape(str(value))

    def text(self, x, y, text, kind="", anchor="start"):
        self.add("text", text, x=x, y=y, class_=kind, text_anchor=anchor)

    def line(self, x1, y1, x2, y2, kind):
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)

    def rect(self, x, y, width, height, kind):
        self.add("rect", x=x, y=y, width=width, height=height, class_=kind)

    def dot(self, x, y, colour, radius=4.5):
        self.add("circle", cx=x, cy=y, r=radius, class_=f"f-{colour}")

    def polyline(self, points, colour):
        self.add("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=f"line s-{colour}")

    def path(self, commands, kind):
        self.add("path", d=commands, class_=kind)

    def __str__(self):
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        return (f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<title>{escape(self.title)}</title>\n'
                f"<style>\n{style()}</style>\n" + "\n".join(self.parts) + "\n</svg>\n")


class LogAxis:
    """Maps values to positions, a factor to a distance. The ends are moved out to fit the values."""

    def __init__(self, values, start, end, steps=(1, 2, 5)):
        low, high = math.log10(min(values)), math.log10(max(values))
        margin = max(0.06 * (high - low), 0.05)
        self.low, self.high, self.start, self.end = low - margin, high + margin, start, end
        self.steps = steps

    def at(self, value):
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self):
        """Round values: 1, 2 and 5 of each power of ten, or the powers alone where these would be many."""
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        for steps in (self.steps, (1, 3), (1,)):
            found = [step * 10.0 ** decade for decade in decades for step in steps
                     if self.low <= math.log10(step * 10.0 ** decade) <= self.high]
            if len(found) <= 9:
                break
        return found


class LinearAxis:
    """The same with equal distances, from zero."""

    def __init__(self, values, start, end):
        self.high, self.start, self.end = max(values) * 1.12 or 1, start, end

    def at(self, value):
        return self.start + value / self.high * (self.end - self.start)

    def ticks(self):
        rough = self.high / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
        return [step * i for i in range(int(self.high / step) + 1)]


def label(value):
    """A tick's number, short: 0.2, 20, 5k, 1M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
