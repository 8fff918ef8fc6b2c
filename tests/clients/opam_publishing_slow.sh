#!/usr/bin/env bash
# The real opam while its repository changes all the time: no update, install or upgrade fails, and what is installed is
# what the index said.
# usage: SLIPWAY_BIN=/path/to/slipway [OPAM_SECONDS=600] bash tests/clients/opam_publishing_slow.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

readonly SECONDS_LONG=${OPAM_SECONDS:-60}
UPSTREAM_PID=
PUBLISHER_PID=

end_all() {
  local pid
  for pid in $UPSTREAM_PID $PUBLISHER_PID; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true # they have no way to end well
  done
  UPSTREAM_PID='' PUBLISHER_PID=''
}

# commit VERSION: publishes that version of the package, with a source of its own; what is older than ten goes.
commit() {
  local archive=$SCRATCH/upstream/p-$1.tar.gz folder=$SCRATCH/git/packages/p/p.$1 source=$SCRATCH/sources/p-$1
  mkdir -p "$source" "$folder"
  echo "version $1" >"$source/version.txt"
  tar -C "$SCRATCH/sources" --sort=name --mtime=@0 --owner=0 --group=0 -czf "$archive" "p-$1"
  cat >"$folder/opam" <<OPAM
opam-version: "2.0"
maintainer: "test@example.org"
synopsis: "a package that changes"
install: [["mkdir" "-p" "%{share}%/p"] ["cp" "version.txt" "%{share}%/p/version.txt"]]
url { src: "$UPSTREAM/p-$1.tar.gz" checksum: "sha256=$(sha256sum "$archive" | cut -c -64)" }
OPAM
  [ "$1" -le 10 ] || rm -r "$SCRATCH/git/packages/p/p.$(($1 - 10))"
  git -C "$SCRATCH/git" add --all
  git -C "$SCRATCH/git" commit --quiet --message "version $1"
}

publish_all_the_time() {
  local version=1
  while true; do
    commit $((version += 1))
    sleep 0.3
  done
}

prepare opam
export OPAMROOT=$SCRATCH/opam OPAMROOTISOK=1 OPAMYES=1 OPAMCOLOR=never OPAMUTF8=never OPAMNOENVNOTICE=1 OPAMRETRIES=1
mkdir -p "$HOME" "$SCRATCH/upstream" "$SCRATCH/sources"
EXIT_HOOKS+=(end_all)
python3 -u -m http.server 0 --bind 127.0.0.1 --directory "$SCRATCH/upstream" >"$SCRATCH/upstream.log" 2>&1 &
UPSTREAM_PID=$!
tries=100
until grep -q 'Serving HTTP' "$SCRATCH/upstream.log"; do
  [ $((tries -= 1)) -gt 0 ] || fail "the upstream server was not ready after 10 seconds"
  sleep 0.1
done
UPSTREAM=http://127.0.0.1:$(sed -nE 's/.* port ([0-9]+).*/\1/p' "$SCRATCH/upstream.log")
git -C "$SCRATCH" init --quiet --initial-branch=main git
git -C "$SCRATCH/git" config user.name n
git -C "$SCRATCH/git" config user.email e@example.org
printf 'opam-version: "2.0"\n' >"$SCRATCH/git/repo"
commit 1

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
rounds=0 changed=0
end=$((SECONDS + SECONDS_LONG))
while [ "$SECONDS" -lt "$end" ]; do
  before=$(cat "$OPAMROOT/test/share/p/version.txt")
  opam update >"$SCRATCH/said" 2>&1 || fail "opam update failed in round $rounds: $(cat "$SCRATCH/said")"
  opam upgrade >"$SCRATCH/said" 2>&1 || fail "opam upgrade failed in round $rounds: $(cat "$SCRATCH/said")"
  same "what was installed in round $rounds" "version $(opam list --installed --short --columns=version p)" \
    "$(cat "$OPAMROOT/test/share/p/version.txt")"
  [ "$before" = "$(cat "$OPAMROOT/test/share/p/version.txt")" ] || : $((changed += 1))
  : $((rounds += 1))
done
step "$rounds rounds of update and upgrade, of which $changed brought another version"
[ "$changed" -ge 2 ] || fail "nothing was published meanwhile"
same "answers that are errors of ours" 0 "$(served ' status=5')"
echo "opam while publishing: pass"
