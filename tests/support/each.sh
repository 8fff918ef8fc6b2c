#!/usr/bin/env bash
# Runs one test script after the other, for those that share what the caller has started for them.
# usage: each.sh SCRIPT...
#
# Exit status: 1 if any fails; 77 if all say that they cannot run here; else 0.
set -euo pipefail

failed=() absent=0
for script in "$@"; do
  echo "== ${script##*/}"
  status=0
  case $script in
    *.py) python3 "$script" || status=$? ;;
    *) bash "$script" || status=$? ;;
  esac
  case $status in
    0) ;;
    77) absent=$((absent + 1)) ;;
    *) failed+=("${script##*/} ($status)") ;;
  esac
done
[ "${#failed[@]}" = 0 ] || {
  echo "failed: ${failed[*]}" >&2
  exit 1
}
[ "$absent" -lt $# ] || exit 77
