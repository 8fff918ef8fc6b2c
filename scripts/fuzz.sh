#!/usr/bin/env bash
# Runs fuzz targets of the preset fuzz, all unless some are named, for some seconds each.
# usage: scripts/fuzz.sh [seconds (60) [target...]]
#
# It starts from tests/fuzz/corpus/<name>/ and uses tests/fuzz/<name>.dict if there is one. New inputs stay in
# build/fuzz/corpus/<name>/; an input that crashes goes to build/fuzz/crashes/. Copy it to the corpus with the fix.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || { echo "$0: '$seconds' is no number of seconds" >&2; exit 2; }
[ $# -eq 0 ] || shift
if [ $# -gt 0 ]; then programs=("${@/#/build/fuzz/tests/fuzz_}"); else programs=(build/fuzz/tests/fuzz_*); fi
export ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19 UBSAN_OPTIONS=print_stacktrace=1

failed=()
mkdir -p build/fuzz/crashes
for program in "${programs[@]}"; do
  [ -x "$program" ] || { echo "$0: there is no target '${program##*/fuzz_}'" >&2; exit 2; }
  name=${program##*/fuzz_}
  found=build/fuzz/corpus/$name
  arguments=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0
    -artifact_prefix="build/fuzz/crashes/$name-")
  if [ -e "tests/fuzz/$name.dict" ]; then arguments+=(-dict="tests/fuzz/$name.dict"); fi
  mkdir -p "$found"
  echo "== $name, $seconds s"
  "$program" "${arguments[@]}" "$found" "tests/fuzz/corpus/$name" || failed+=("$name")
done
if [ "${#failed[@]}" -gt 0 ]; then
  echo "Failed: ${failed[*]}; the inputs are in build/fuzz/crashes/" >&2
  exit 1
fi
