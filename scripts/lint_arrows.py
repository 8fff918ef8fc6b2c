#!/usr/bin/env python3
"""Checks the rules about src/ that no compiler knows. Prints one line for each breach and exits 1.

- A folder includes only itself and the folders it NEEDS in the table of CMakeLists.txt, the one place that says so;
  the table lists a folder after everything it needs, so the arrows form no circle.
- A database's own header is included by the folder that wraps it, and nowhere else.
- Each folder has a README.md and a place in ARCHITECTURE.md.
- No file is longer than 500 lines, none leaves work for later, each header is guarded.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINES_MAX = 500
LATER = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"/]+)/[^"]+"')
WRAPPED = {"sqlite3.h": "sql", "libpq-fe.h": "sql"}
WRAPPED_INCLUDE = re.compile(r"^\s*#\s*include\s+<(" + "|".join(map(re.escape, WRAPPED)) + ")>")
ANY_LOCAL_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def read_table(text):
    """{folder: the folders it may include besides itself}, in the order of the file."""
    table = {}
    for call in re.finditer(r"^slipway_library\(([^)]*)\)", text, re.MULTILINE):
        folder, *words = call[1].split()
        needs = []
        if "NEEDS" in words:
            for word in words[words.index("NEEDS") + 1:]:
                if word == "LIBS":
                    break
                needs.append(word)
        table[folder] = needs
    return table


def check_table(table):
    known = set()
    for folder, needs in table.items():
        for need in needs:
            if need not in known:
                yield f"CMakeLists.txt: {folder} needs {need}, which the table does not list before it"
        known.add(folder)


def check_folder(folder, table, architecture):
    name = folder.name
    if name not in table:
        yield f"src/{name}: not in the table of CMakeLists.txt"
    if not (folder / "README.md").is_file():
        yield f"src/{name}: has no README.md"
    if not re.search(rf"\b{name}/", architecture):
        yield f"src/{name}: ARCHITECTURE.md does not mention {name}/"


def check_includes(path, lines, table):
    folder = path.parent.relative_to(ROOT / "src").parts
    allowed = {folder[0], *table.get(folder[0], [])} if folder else table.keys()
    for number, line in enumerate(lines, 1):
        if (wrapped := WRAPPED_INCLUDE.match(line)) and WRAPPED[wrapped[1]] not in folder[:1]:
            yield f"{path.relative_to(ROOT)}:{number}: only {WRAPPED[wrapped[1]]}/ may include <{wrapped[1]}>"
        if not (any_include := ANY_LOCAL_INCLUDE.match(line)):
            continue
        if not (include := INCLUDE.match(line)):
            yield f'{path.relative_to(ROOT)}:{number}: write "folder/file.hpp", not "{any_include[1]}"'
        elif include[1] not in allowed:
            yield f"{path.relative_to(ROOT)}:{number}: {folder[0] if folder else 'src'} may not include {include[1]}/"


def check_file(path, table):
    name = path.relative_to(ROOT)
    lines = path.read_text().splitlines()
    if len(lines) > LINES_MAX:
        yield f"{name}: {len(lines)} lines, {LINES_MAX} at most: is a noun missing?"
    for number, line in enumerate(lines, 1):
        if LATER.search(line):
            yield f"{name}:{number}: leaves work for later; finish it or file an issue"
    if path.suffix == ".hpp" and "#pragma once" not in lines:
        yield f"{name}: has no #pragma once"
    if path.suffix in (".hpp", ".cpp"):
        yield from check_includes(path, lines, table)


def breaches():
    table = read_table((ROOT / "CMakeLists.txt").read_text())
    if not table:
        yield "CMakeLists.txt: found no slipway_library(...)"
    yield from check_table(table)
    page = ROOT / "ARCHITECTURE.md"
    architecture = page.read_text() if page.is_file() else ""
    for path in sorted((ROOT / "src").rglob("*")):
        if path.is_file():
            yield from check_file(path, table)
        elif path.parent == ROOT / "src":
            yield from check_folder(path, table, architecture)


found = list(breaches())
print(*found, sep="\n", end="\n" if found else "")
sys.exit(1 if found else 0)
