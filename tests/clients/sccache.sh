#!/usr/bin/env bash
# sccache against the plain HTTP cache at /cas, by WebDAV: what one machine compiled is a hit on another.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/sccache.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

# sccache works for its clients from a server of its own, which knows one cache: each "machine" has its server.
start_machine() { # start_machine FOLDER
  MACHINE=$1
  mkdir -p "$MACHINE"
  export SCCACHE_SERVER_UDS=$MACHINE/socket SCCACHE_CONF=/dev/null SCCACHE_DIR=$MACHINE/none
  export SCCACHE_WEBDAV_ENDPOINT=$SCHEME://$REGISTRY/cas/sccache SSL_CERT_FILE=$SCRATCH/trust/ca.crt
  unset SCCACHE_WEBDAV_USERNAME SCCACHE_WEBDAV_PASSWORD
  [ "$PROTECTED" = no ] ||
    export SCCACHE_WEBDAV_USERNAME=$USER_NAME SCCACHE_WEBDAV_PASSWORD=$USER_PASSWORD
  EXIT_HOOKS+=(stop_machine)
  sccache --start-server >"$MACHINE/log" 2>&1 || fail "sccache does not start: $(<"$MACHINE/log")"
}

stop_machine() {
  [ -n "$MACHINE" ] || return 0
  MACHINE=
  sccache --stop-server >/dev/null
}

# count NAME: one of sccache's statistics, over all languages.
count() {
  sccache --show-stats --stats-format json | jq --arg name "$1" '.stats[$name] | if type == "object" then
    [.counts[]] | add // 0 else . end'
}

compile() { # compile FOLDER
  cp "$SCRATCH/source.c" "$1/source.c"
  (cd "$1" && sccache cc -c source.c -o source.o)
}

check_sccache() {
  local cold=$SCRATCH/cold-$SERVER_COUNT warm=$SCRATCH/warm-$SERVER_COUNT
  printf 'int answer_%s(void) { return 42; }\n' "$SERVER_COUNT" >"$SCRATCH/source.c"
  step "the first machine stores what it compiles"
  start_machine "$cold"
  compile "$cold"
  same "misses" 1 "$(count cache_misses)"
  same "failed writes" 0 "$(count cache_write_errors)"
  same "writes" 1 "$(count cache_writes)"
  stop_machine

  step "the second finds it"
  start_machine "$warm"
  compile "$warm"
  same "hits" 1 "$(count cache_hits)"
  same "failed reads" 0 "$(count cache_read_errors)"
  stop_machine
  cmp "$cold/source.o" "$warm/source.o" || fail "the cache gave another object"
  [ "$(served 'method=PUT path=/cas/sccache/.* status=201')" -gt 0 ] || fail "nothing was stored on the server"
  [ "$(served 'method=GET path=/cas/sccache/.* status=200')" -gt 0 ] || fail "nothing came from the server"
}

MACHINE=
prepare sccache
command -v cc >/dev/null || fail "this test needs a C compiler"
on_every_server check_sccache
echo "sccache: pass"
