# shellcheck shell=bash
# Starts and stops a Slipway server from a script. Sourced, never run.
# SLIPWAY_BIN names the program; without it the release build is taken.

SLIPWAY_BIN=${SLIPWAY_BIN:-build/release/slipway}
server_pid=
# shellcheck disable=SC2034 # for the script that sources this file
server_url= # http://127.0.0.1:PORT once it is ready

port_is_taken() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start_server DATA_DIR LOG [flags of serve]: returns when it accepts requests; ends the script if it does not.
start_server() {
  local data=$1 log=$2 i
  shift 2
  mkdir -p "$(dirname "$log")"
  # The tests' bucket, if there is one: each server has a prefix of its own.
  [ -z "${SLIPWAY_TEST_STORE:-}" ] || set -- "$@" --store "${SLIPWAY_TEST_STORE%%\?*}/$$-$RANDOM?${SLIPWAY_TEST_STORE#*\?}"
  if [ -n "${SLIPWAY_TEST_POSTGRES:-}" ]; then # and a database
    local name=server_$$_$RANDOM
    psql -X -q "$SLIPWAY_TEST_POSTGRES" -c "CREATE DATABASE $name TEMPLATE template0"
    set -- "$@" --catalog "${SLIPWAY_TEST_POSTGRES%/*}/$name"
  fi
  "$SLIPWAY_BIN" serve --data "$data" "$@" >"$log" 2>&1 &
  server_pid=$!
  for ((i = 0; i < 300; i++)); do
    # The file of a server that was killed may still lie there: it must name ours.
    if grep -Eq "\"pid\": *$server_pid\b" "$data/server.json" 2>/dev/null; then
      # shellcheck disable=SC2034
      server_url=$(sed -E 's/.*"listen": *\[ *"([^"]*)".*/\1/' "$data/server.json")
      return 0
    fi
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.1
  done
  printf 'The server did not start; its log, %s:\n' "$log" >&2
  tail -n 20 "$log" >&2
  exit 1
}

stop_server() {
  [ -n "$server_pid" ] || return 0
  kill -TERM "$server_pid" 2>/dev/null || return 0
  wait "$server_pid" || printf 'the server ended with status %s\n' "$?" >&2
  server_pid=
}
