#!/usr/bin/env python3
"""Prints what a run of a conformance suite came to: its totals, and each case that failed or was skipped.

usage: conformance_report.py TITLE JUNIT-FILE    exits 1 if a case failed, or was skipped that should have run
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter

# The skips we know, as patterns of the whole name of a case, and why each is right.
EXPECTED_SKIPS = {
    # For registries that answer a mount with 202; Slipway mounts, and the case before it checks the outcome.
    r".* Cross-mounting of nonexistent blob should yield session id",
    # For registries that mount only from a repository that the client names; Slipway looks for one.
    r".* Cross-mounting without from, and automatic content discovery disabled should return a 202",
    # For registries that cannot be pushed to, whose content is told in the environment.
    r".* Pull Setup Get tag name from environment",
    r".* Content Discovery Setup Populate registry with test tags \(no push\)",
}


def outcome(case):
    """The suites disagree on whether a case says how it ended, so what lies below it decides."""
    for element, word in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        if case.find(element) is not None:
            return word
    status = case.get("status", "passed")
    return {"failure": "failed", "error": "failed"}.get(status, status)


def reason(case):
    element = case.find("failure")
    text = element.get("message") if element is not None else case.findtext("system-out")
    return "; ".join(line.strip() for line in (text or "").splitlines() if line.strip())


def main(title, path):
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        print(f"{title}: the suite left no report: {error}")
        return 1
    counts = Counter(outcome(case) for case in cases)
    unknown = sorted(set(counts) - {"passed", "failed", "skipped"})
    bad = bool(unknown) or counts["passed"] == 0 or counts["failed"] > 0
    lines = []
    for case in cases:
        name, how = case.get("name"), outcome(case)
        if how == "passed":
            continue
        if how == "skipped":
            expected = any(re.fullmatch(pattern, name) for pattern in EXPECTED_SKIPS)
            how = "skipped, as expected" if expected else "skipped, but should run"
            bad = bad or not expected
        lines.append(f"  {how}: {name}" + (f": {reason(case)[:300]}" if not how.endswith("expected") else ""))
    print(f"{title}: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    print("\n".join(dict.fromkeys(lines)), end="\n" if lines else "")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
