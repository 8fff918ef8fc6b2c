#!/usr/bin/env bash
# Runs the OCI distribution conformance suites against fresh servers: the current suite with the settings of the
# released and of the coming specification, and the one it replaced, which registries still quote; each as anybody and
# as a user.
# usage: scripts/conformance.sh      (SLIPWAY_BIN names the program; else the release build is taken)
#
# A line for each run, and one for each case that failed or was skipped. Exit status: 0 if every case passed but those
# whose skip scripts/conformance_report.py expects; 1 if not; 77 if a suite cannot be had, which is 1 under CI.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/server.sh
source scripts/server.sh

results=$PWD/build/conformance${SLIPWAY_TEST_STORE:+-bucket}${SLIPWAY_TEST_POSTGRES:+-postgres}
readonly results=$results${SLIPWAY_REPLICA_BIN:+-round-robin}
# A colon in the password, because Basic authentication must split at the first one only.
readonly user=conformance password='open:sesame 7'

tool() {
  scripts/tools.sh "$1" && return 0
  echo "The conformance suites cannot be run; nothing was checked." >&2
  if [ "${CI:-}" = true ]; then exit 1; else exit 77; fi # ctest counts a skip as no harm
}

# Everything the suite knows is on. It leaves some of that off, or to the coming specification, as registries may do
# without; a server that answers here fulfils the released one too.
current_suite() { # current_suite FOLDER VERSION SPARSE
  OCI_RESULTS_DIR=$1 OCI_VERSION=$2 OCI_LOG=error OCI_CONFIGURATION=/dev/null \
    OCI_REGISTRY=${server_url#*://} OCI_TLS=disabled OCI_REPO1=conformance/one OCI_REPO2=conformance/two \
    OCI_API_BLOBS_DIGEST_HEADER=true OCI_API_BLOBS_UPLOAD_CANCEL=true \
    OCI_API_MANIFESTS_DIGEST_HEADER=true OCI_API_MANIFESTS_TAG_PARAM=true OCI_DATA_SPARSE=$3 \
    "$current"
}

# It leaves out what is not asked for: all four workflows are.
old_suite() { # old_suite FOLDER
  OCI_REPORT_DIR=$1 OCI_ROOT_URL=$server_url OCI_NAMESPACE=conformance/one OCI_CROSSMOUNT_NAMESPACE=conformance/two \
    OCI_TEST_PULL=1 OCI_TEST_PUSH=1 OCI_TEST_CONTENT_DISCOVERY=1 OCI_TEST_CONTENT_MANAGEMENT=1 \
    OCI_AUTOMATIC_CROSSMOUNT=1 OCI_HIDE_SKIPPED_WORKFLOWS=0 \
    "$old"
}

# How a server asks a stranger who they are: empty, Basic or Bearer.
challenge() {
  local asked
  asked=$(curl --silent --output /dev/null --write-out '%header{www-authenticate}' "$server_url/v2/")
  echo "${asked%% *}"
}

run() { # run NAME anybody|user COMMAND...
  local name=$1 who=$2 folder=$results/$1-$2 flags=(--listen 127.0.0.1:0) expected='' asked suite=0
  shift 2
  mkdir -p "$folder"
  if [ "$who" = user ]; then
    flags+=(--htpasswd "$results/htpasswd") expected=Bearer
    export OCI_USERNAME=$user OCI_PASSWORD=$password
  else
    unset OCI_USERNAME OCI_PASSWORD
  fi
  start_server "$folder/data" "$folder/server.log" "${flags[@]}"
  asked=$(challenge)
  if [ "$asked" != "$expected" ]; then
    echo "$name, $who: the server asked strangers for '$asked', not for '$expected'" >&2
    status=1 # the run would not show what it says
  fi
  "$@" >"$folder/output" 2>&1 || suite=$?
  python3 scripts/conformance_report.py "$name, $who${asked:+ ($asked)}" "$folder/junit.xml" || status=1
  if [ "$suite" != 0 ]; then # whatever its report says
    echo "$name, $who: the suite ended with $suite: $(tail -n 3 "$folder/output")" >&2
    status=1
  fi
  stop_server
}

# Settings that the caller exported for another registry must not reach the suites.
for variable in "${!OCI_@}"; do unset "$variable"; done
current=$(tool conformance)
old=$(tool conformance-1.1)
rm -rf "$results"
mkdir -p "$results"
htpasswd -Bbc "$results/htpasswd" "$user" "$password" 2>/dev/null
# It stores images whose layers are missing, which Slipway refuses unless it is told not to.
printf '[oci]\nsparse = "all"\n' >"$results/sparse.toml"
trap stop_server EXIT
status=0
for who in anybody user; do
  run 1.1 "$who" current_suite "$results/1.1-$who" 1.1 false
  run dev "$who" current_suite "$results/dev-$who" dev false
  SLIPWAY_CONFIG=$results/sparse.toml run sparse "$who" current_suite "$results/sparse-$who" dev true
  run old-suite "$who" old_suite "$results/old-suite-$who"
done
echo "The whole reports: build/conformance/*/report.html"
exit "$status"
