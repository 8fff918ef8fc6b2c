#!/usr/bin/env bash
# A current BuildKit against slipway: images of two platforms with provenance, an image built upon them, and caches.
# scripts/tools.sh builds it, and scripts/trixie_docker.sh brings a program for the build to run.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/buildkit.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"
# shellcheck source=tests/support/buildkit.sh
source "${BASH_SOURCE[0]%/*}/../support/buildkit.sh"

BUILDKITD_PID=

# --- The private buildkitd ------------------------------------------------------------------------------------------

client() { buildctl --addr "unix://$SCRATCH/buildkit/socket" "$@"; }

# Started anew for each registry, for its settings name the registry and our CA. native copies folders, which works
# everywhere; nothing needs a network but BuildKit itself.
start_buildkitd() {
  local own=$SCRATCH/buildkit
  rm -rf "$own"
  mkdir "$own"
  printf '[registry."%s"]\nca = ["%s"]\n' "$HOST" "$SCRATCH/trust/ca.crt" >"$own/buildkitd.toml"
  buildkitd --config "$own/buildkitd.toml" --root "$own/root" --addr "unix://$own/socket" \
    --otel-socket-path "$own/otel" --cdi-disabled --containerd-worker=false \
    --oci-worker-snapshotter native --oci-worker-net host >"$own/log" 2>&1 &
  BUILDKITD_PID=$!
  await_daemon buildkitd "$BUILDKITD_PID" "$own/log" client debug workers
}

stop_buildkitd() {
  [ -n "$BUILDKITD_PID" ] || return 0
  local pid=$BUILDKITD_PID status=0
  BUILDKITD_PID=
  end_process "$pid" || status=$?
  [ "$status" -le 1 ] || fail "buildkitd ended with $status after SIGTERM" # asked to end it says 1; 137 is a kill
}

# solve FOLDER [flags]: builds the Dockerfile in FOLDER. It is buildctl that asks for tokens, and it does not know our
# CA from buildkitd's settings.
solve() {
  client build --registry-auth-tlscontext "host=$HOST,ca=$SCRATCH/trust/ca.crt" --progress rawjson \
    --frontend dockerfile.v0 --opt "platform=$PLATFORMS" --local "context=$1" --local "dockerfile=$1" "${@:2}"
}

# The settings do not allow plain HTTP, and the registry's name is no loopback address, so each use has to.
build() {
  local name=$1 cache=${2:-} flags=() allowed=
  [ "$SCHEME" = https ] || allowed=,registry.insecure=true
  [ -z "$cache" ] || flags=(--export-cache "$cache$allowed" --import-cache "$cache$allowed")
  solve "$CONTEXT" --opt attest:provenance=mode=max --output "type=image,name=$name,push=true$allowed" "${flags[@]}"
}

forget_everything() {
  local left
  client prune --all >/dev/null
  left=$(client du --verbose)
  same "cache left in the builder" "" "$(grep '^ID:' <<<"$left" || [ $? = 1 ])"
}

# --- Checks ---------------------------------------------------------------------------------------------------------

check_buildkit() {
  HOST=0.0.0.0:${REGISTRY#*:}
  start_buildkitd
  strangers_are_refused
  log_in_by_hand
  platforms_are_pushed
  cache_makes_the_round_trip '' application/vnd.oci.image.manifest.v1+json
  if [ "$SCHEME" = https ]; then
    cache_makes_the_round_trip_in_every_shape
    step "an image is built upon them"
    image_is_built_upon_them
    log_out_by_hand
    step "nobody may build upon them, but not push"
    image_is_built_upon_them
    refused "$DENIED" build "$HOST/team/stranger:1"
  fi
  stop_buildkitd
}

# buildctl has no login; it reads what docker login writes.
log_in_by_hand() {
  [ "$PROTECTED" = yes ] || return 0
  jq -n --arg host "$HOST" --arg auth "$(printf %s "$USER_NAME:$USER_PASSWORD" | base64 -w 0)" \
    '{auths: {($host): {auth: $auth}}}' >"$DOCKER_CONFIG/config.json"
}

log_out_by_hand() { echo '{}' >"$DOCKER_CONFIG/config.json"; }

strangers_are_refused() {
  log_out_by_hand
  [ "$PROTECTED" = yes ] || return 0
  step "strangers are refused"
  refused "$DENIED" build "$HOST/team/stranger:1"
}

platforms_are_pushed() {
  step "an image of two platforms is pushed, with its provenance"
  logged build "$HOST/team/multi:1"
  holds_images team/multi 1
  holds_provenance team/multi 1
}

# By tag and by digest, for both platforms.
image_is_built_upon_them() {
  local from architecture out=$SCRATCH/out
  for from in "$HOST/team/multi:1" "$HOST/team/multi@$(stored team/multi 1)"; do
    forget_everything
    rm -rf "$out" && mkdir -p "$out/context"
    printf 'FROM %s\nCOPY Dockerfile /upon\n' "$from" >"$out/context/Dockerfile"
    logged solve "$out/context" --output "type=local,dest=$out"
    for architecture in amd64 arm64; do
      cmp "$out/linux_$architecture/greeting" "$CONTEXT/small-$architecture/greeting"
      cmp "$out/linux_$architecture/noise" "$CONTEXT/large/noise"
      cmp "$out/linux_$architecture/upon" "$out/context/Dockerfile"
    done
  done
}

# --- Start ----------------------------------------------------------------------------------------------------------

RUNNABLE=$("${BASH_SOURCE[0]%/*}/../../scripts/trixie_docker.sh")/usr/bin/busybox || absent "busybox cannot be had"
need_client runc
need_client buildctl
prepare buildkitd
export DOCKER_CONFIG=$SCRATCH/client
mkdir "$DOCKER_CONFIG"
EXIT_HOOKS+=(stop_buildkitd)
make_context "$RUNNABLE"
for kind in 'http no' 'https yes --anonymous pull'; do
  echo "== ${kind/ /, credentials: }"
  # shellcheck disable=SC2086 # several words
  start_server $kind
  check_buildkit
  stop_server
done
echo "buildkit: pass"
