#!/usr/bin/env bash
# Everything that can be checked without running the product. Configure the preset dev first.
# usage: scripts/lint.sh [--format]    (--format rewrites the C++ sources and checks nothing)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folders=()
for folder in src tests bench; do
  if [ -d "$folder" ]; then folders+=("$folder"); fi
done

cpp_files() { find "${folders[@]}" \( -name '*.cpp' -o -name '*.hpp' \) -print0; }
python_files() { find scripts "${folders[@]}" -name '*.py' -print0; }
bash_files() {
  printf '%s\0' dev .ci/run
  find scripts "${folders[@]}" -name '*.sh' -print0
}

if [ "${1:-}" = --format ]; then
  cpp_files | xargs -0 -r clang-format-19 -i
  exit 0
fi

status=0
check() { # check NAME COMMAND...: runs on after a failure, so that one run tells all
  local name=$1
  shift
  printf '== lint: %s\n' "$name"
  "$@" || status=1
}

check_format() { cpp_files | xargs -0 -r clang-format-19 --dry-run -Werror; }
# SC2317 takes every function that is only called by its name in a variable for unreachable.
check_bash() { bash_files | xargs -0 shellcheck --external-sources --exclude=SC2317; }
check_python() { python_files | PYTHONPYCACHEPREFIX=$PWD/build/lint/pycache xargs -0 -r python3 -m py_compile; }

check "formatting" check_format
check "arrows and rules of the house" python3 scripts/lint_arrows.py
check "bash" check_bash
check "python" check_python
check "clang-tidy" python3 scripts/lint_tidy.py
exit "$status"
