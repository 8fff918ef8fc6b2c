#!/usr/bin/env bash
# ccache and curl against the plain HTTP cache at /cas. ccache speaks no TLS; curl does both.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/ccache.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

# compile DIRECTORY: with a local cache of its own in it, so that only the remote one can know what another made.
compile() {
  local credentials=
  [ "$PROTECTED" = no ] || credentials=$USER_NAME:$(jq -rn --arg text "$USER_PASSWORD" '$text | @uri')@
  mkdir -p "$1"
  cp "$SCRATCH/source.c" "$1/source.c"
  (
    cd "$1"
    CCACHE_DIR=$1/cache CCACHE_CONFIGPATH=/dev/null CCACHE_NOHASHDIR=yes CCACHE_STATSLOG=$1/stats \
      CCACHE_REMOTE_STORAGE="http://$credentials$REGISTRY/cas/ccache|layout=$2" ccache cc -c source.c -o source.o
  )
}

ccache_shares_results() {
  local layout cold warm
  for layout in subdirs flat bazel; do
    step "ccache, layout $layout: what one machine compiled is a hit on another"
    cold=$SCRATCH/cold-$SERVER_COUNT-$layout warm=$SCRATCH/warm-$SERVER_COUNT-$layout
    printf 'int answer_%s_%s(void) { return 42; }\n' "$SERVER_COUNT" "$layout" >"$SCRATCH/source.c"
    compile "$cold" "$layout"
    grep -q remote_storage_miss "$cold/stats" || fail "the first compilation did not ask the cache: $(cat "$cold/stats")"
    grep -q remote_storage_write "$cold/stats" || fail "the first compilation stored nothing: $(cat "$cold/stats")"
    compile "$warm" "$layout"
    grep -q remote_storage_hit "$warm/stats" || fail "the second compilation was no hit: $(cat "$warm/stats")"
    if grep -Eq 'remote_storage_(error|timeout)|cache_miss' "$warm/stats"; then fail "$(cat "$warm/stats")"; fi
    cmp "$cold/source.o" "$warm/source.o" || fail "the cache gave another object"
  done
  [ "$(served 'method=GET path=/cas/ccache/.* status=200')" -gt 0 ] || fail "nothing came from the server"
}

# entry METHOD [curl arguments]: asks for one entry.
entry() { registry_get "/cas/curl/some/key" -X "$@"; }

curl_keeps_a_file() {
  step "curl: put, get, head, delete"
  head -c 3000000 /dev/urandom >"$SCRATCH/file"
  refused 404 entry GET
  registry_get "/cas/curl/some/key" -T "$SCRATCH/file"
  entry GET -o "$SCRATCH/back"
  cmp "$SCRATCH/file" "$SCRATCH/back" || fail "other bytes came back"
  same "size that HEAD tells" 3000000 \
    "$(registry_get "/cas/curl/some/key" --head | tr -d '\r' | sed -n 's/^content-length: *//Ip')"
  entry DELETE
  refused 404 entry GET
}

strangers_are_refused() {
  step "who is not let in reads and writes nothing"
  refused 401 curl --silent --show-error --fail --cacert "$SCRATCH/trust/ca.crt" "$SCHEME://$REGISTRY/cas/curl/some/key"
}

check_cache() {
  curl_keeps_a_file
  [ "$SCHEME" = https ] || ccache_shares_results
  [ "$PROTECTED" = no ] || strangers_are_refused
}

prepare ccache
command -v cc >/dev/null || fail "this test needs a C compiler"
on_every_server check_cache
echo "ccache: pass"
