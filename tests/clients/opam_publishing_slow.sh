#!/usr/bin/env bash
# The real opam while its repository changes all the time: no update, install or upgrade fails, and what is installed is
# what the index said.
# usage: SLIPWAY_BIN=/path/to/slipway [OPAM_SECONDS=600] bash tests/clients/opam_publishing_slow.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"
# shellcheck source=tests/support/opam.sh
source "${BASH_SOURCE[0]%/*}/../support/opam.sh"

readonly SECONDS_LONG=${OPAM_SECONDS:-60}

# commit_version VERSION: of a package that has a source of its own; what is older than ten goes.
commit_version() {
  source_archive "p-$1"
  package p "$1" "p-$1"
  [ "$1" -le 10 ] || rm -r "$SCRATCH/git/packages/p/p.$(($1 - 10))"
  commit
}

publish_all_the_time() {
  local version=1
  until [ -e "$SCRATCH/enough" ]; do
    commit_version $((version += 1))
    sleep 0.3
  done
}

end_publisher() {
  touch "$SCRATCH/enough"
  wait "$PUBLISHER_PID"
}

prepare opam
use_opam
start_upstream
make_git git
printf 'opam-version: "2.0"\n' >"$SCRATCH/git/repo"
commit_version 1

cat >"$SCRATCH/opam.toml" <<CONFIG
[opam]
repositories = ["opam $SCRATCH/git"]
poll = "100ms"
private_sources = true
CONFIG
export SLIPWAY_CONFIG=$SCRATCH/opam.toml
start_server http no
tries=300
until registry_get /opam/repo >/dev/null 2>&1; do
  [ $((tries -= 1)) -gt 0 ] || fail "the first commit was not live after 30 seconds"
  sleep 0.1
done
opam init --bare --no-setup --disable-sandboxing default "http://$REGISTRY/opam/" >"$SCRATCH/said" 2>&1 ||
  fail "opam init failed: $(cat "$SCRATCH/said")"
opam switch create test --empty >/dev/null 2>&1
opam install p >/dev/null 2>&1 || fail "the first install failed"

step "publishing all the time, for $SECONDS_LONG seconds"
publish_all_the_time &
PUBLISHER_PID=$!
EXIT_HOOKS+=(end_publisher)
rounds=0 changed=0
end=$((SECONDS + SECONDS_LONG))
while [ "$SECONDS" -lt "$end" ]; do
  before=$(cat "$OPAMROOT/test/share/p/hello.txt")
  opam update >"$SCRATCH/said" 2>&1 || fail "opam update failed in round $rounds: $(cat "$SCRATCH/said")"
  opam upgrade >"$SCRATCH/said" 2>&1 || fail "opam upgrade failed in round $rounds: $(cat "$SCRATCH/said")"
  same "what was installed in round $rounds" "hello of p-$(opam list --installed --short --columns=version p)" \
    "$(cat "$OPAMROOT/test/share/p/hello.txt")"
  [ "$before" = "$(cat "$OPAMROOT/test/share/p/hello.txt")" ] || : $((changed += 1))
  : $((rounds += 1))
done
step "$rounds rounds of update and upgrade, of which $changed brought another version"
[ "$changed" -ge 2 ] || fail "nothing was published meanwhile"
same "answers that are errors of ours" 0 "$(served ' status=5')"
echo "opam while publishing: pass"
