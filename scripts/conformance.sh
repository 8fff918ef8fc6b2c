#!/usr/bin/env bash
# Runs the OCI distribution conformance suite against a fresh server and prints its results.
# The suite is built into build/tools/ with Go; a `conformance` that already lies there is used as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/server.sh
source scripts/server.sh

suite=github.com/opencontainers/distribution-spec/conformance@967efdc079b9
program=build/tools/conformance
results=build/conformance

go_is_recent() {
  local major minor
  command -v go >/dev/null || return 1
  IFS=. read -r major minor _ < <(go env GOVERSION | sed 's/^go//')
  [ "$major" -gt 1 ] || [ "${minor%%[!0-9]*}" -ge 24 ]
}

install_suite() {
  [ ! -x "$program" ] || return 0
  if ! go_is_recent; then
    echo "The conformance suite needs Go 1.24 or newer on the PATH; nothing was tested." >&2
    exit 1
  fi
  if ! CGO_ENABLED=0 GOBIN=$PWD/build/tools go install "$suite"; then
    echo "The conformance suite could not be installed; nothing was tested." >&2
    exit 1
  fi
}

install_suite
rm -rf "$results"
trap stop_server EXIT
start_server "$results/data" "$results/server.log" --listen 127.0.0.1:0
status=0
OCI_REGISTRY=${server_url#*://} OCI_TLS=disabled OCI_VERSION=1.1 OCI_REPO1=conformance/one OCI_REPO2=conformance/two \
  OCI_RESULTS_DIR=$results OCI_LOG=error "$program" >"$results/output" 2>&1 || status=$?
# Every single case comes first, thousands of lines; then the totals, and a line for each API and kind of data.
sed -n '/^OCI Conformance Result/,$p' "$results/output" | grep . || tail -n 20 "$results/output"
echo "The whole report: $results/report.html"
exit "$status"
