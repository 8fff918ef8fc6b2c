#!/usr/bin/env bash
# containerd's own client against slipway: images and an index of two platforms go there and come back, by tag and by
# digest.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/ctr.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

CONTAINERD_PID=
FLAGS=()            # how to reach the running registry

# --- The private containerd -----------------------------------------------------------------------------------------

client() { ctr --address "$SCRATCH/containerd/socket" --namespace test "$@"; }

start_containerd() {
  local own=$SCRATCH/containerd
  mkdir "$own"
  cat >"$own/config.toml" <<SETTINGS
version = 2
root = "$own/root"
state = "$own/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$own/socket"
[plugins."io.containerd.internal.v1.opt"]
path = "$own/opt"
SETTINGS
  EXIT_HOOKS+=(stop_containerd)
  containerd --config "$own/config.toml" >"$own/log" 2>&1 &
  CONTAINERD_PID=$!
  await_daemon containerd "$CONTAINERD_PID" "$own/log" client version
}

stop_containerd() { end_process "$CONTAINERD_PID"; }

# quietly COMMAND...: ctr draws its progress on standard output.
quietly() { "$@" >"$SCRATCH/ctr.log" 2>&1 || fail "$*: $(tail -n 5 "$SCRATCH/ctr.log")"; }

set_flags() {
  case $SCHEME in
    http) FLAGS=(--plain-http) ;;
    https) FLAGS=(--tlscacert "$SCRATCH/trust/ca.crt") ;;
  esac
  [ "$PROTECTED" = no ] || FLAGS+=(--user "$USER_NAME:$USER_PASSWORD")
}

images() { client images "$1" "${FLAGS[@]}" "${@:2}"; }

# pull ARGUMENTS: and unpack; native copies folders, which works everywhere.
pull() { quietly images pull --snapshotter native "$@"; }

# --- What containerd holds ------------------------------------------------------------------------------------------

# import TAG NAME: an image of the layout, with all its platforms.
import() {
  image_archive "$SCRATCH/layout" "$1" "${2##*:}" |
    quietly client images import --no-unpack --all-platforms --base-name "${2%:*}" -
}

forget_everything() {
  local name
  client images ls --quiet | while read -r name; do client images rm --sync "$name" >/dev/null; done
  same "content left in the store" "" "$(client content ls --quiet)"
}

# It complains of images of which only one platform is there.
image_digest() { client images ls "name==$1" 2>"$SCRATCH/ctr.log" | awk 'NR == 2 { print $3 }'; }

# content_of DIGEST: a manifest of the layout and all that is below it.
content_of() {
  local digest=$1 blob=$SCRATCH/layout/blobs/sha256/${1#sha256:} child
  echo "$digest"
  jq -r '.config?.digest, .layers[]?.digest | select(.)' "$blob"
  for child in $(jq -r '.manifests[]?.digest' "$blob"); do content_of "$child"; done
}

# holds_content DIGEST: all that is below this manifest of the layout, byte for byte, and nothing else.
holds_content() {
  local digest expected
  expected=$(content_of "$1" | sort -u)
  same "content of the store" "$expected" "$(client content ls --quiet | sort)"
  for digest in $expected; do
    client content get "$digest" | cmp - "$SCRATCH/layout/blobs/sha256/${digest#sha256:}"
  done
}

# --- Checks ---------------------------------------------------------------------------------------------------------

check_ctr() {
  choose_host
  set_flags
  strangers_are_refused
  image_makes_the_round_trip
  index_makes_the_round_trip
  content_makes_the_round_trip
}

strangers_are_refused() {
  local name=$HOST/team/stranger:1 stranger=(--plain-http)
  forget_everything
  step "strangers are refused"
  import amd64 "$name"
  if [ "$SCHEME" = https ]; then
    refused "$UNTRUSTED" client images push --user "$USER_NAME:$USER_PASSWORD" "$name"
    stranger=(--tlscacert "$SCRATCH/trust/ca.crt")
  fi
  if [ "$PROTECTED" = yes ]; then
    refused "$DENIED" client images push "${stranger[@]}" "$name"
    refused "$DENIED" client images push "${stranger[@]}" --user "$USER_NAME:wrong" "$name"
    refused "$DENIED" client images pull "${stranger[@]}" "$name"
  fi
}

image_makes_the_round_trip() {
  local name=$HOST/team/image digest
  step "an image makes the round trip, by tag and by digest"
  digest=$(layout_digest "$SCRATCH/layout" amd64)
  forget_everything
  import amd64 "$name:1.0"
  quietly images push "$name:1.0"
  same "digest of what the registry holds" "$digest" "$(stored team/image 1.0)"
  quietly images push "$HOST/team/by-digest@$digest" "$name:1.0"
  same "digest of what was pushed by digest" "$digest" "$(stored team/by-digest "$digest")"

  forget_everything
  pull --platform linux/amd64 "$name:1.0"
  same "digest after the pull" "$digest" "$(image_digest "$name:1.0")"
  holds_content "$digest"

  forget_everything
  pull --platform linux/amd64 "$HOST/team/by-digest@$digest"
  same "digest after a pull by digest" "$digest" "$(image_digest "$HOST/team/by-digest@$digest")"
  holds_content "$digest"
}

index_makes_the_round_trip() {
  local name=$HOST/team/multi index arm64
  step "an index of two platforms makes the round trip"
  index=$(layout_digest "$SCRATCH/layout" multi)
  forget_everything
  import multi "$name:1.0"
  quietly images push "$name:1.0"
  same "digest of what the registry holds" "$index" "$(stored team/multi 1.0)"

  forget_everything
  pull --all-platforms "$name:1.0"
  same "digest after the pull" "$index" "$(image_digest "$name:1.0")"
  holds_content "$index"

  forget_everything
  pull --platform linux/arm64 "$name@$index"
  same "digest after a pull by digest" "$index" "$(image_digest "$name@$index")"
  # Only the index itself comes with the one platform that was asked for.
  arm64=$(layout_digest "$SCRATCH/layout" arm64)
  same "content of one platform" "$( (echo "$index" && content_of "$arm64") | sort -u)" \
    "$(client content ls --quiet | sort)"
}

# Without images and snapshots: what the registry holds is fetched and pushed as it is.
content_makes_the_round_trip() {
  local name=$HOST/team/multi:1.0 index layer
  step "content makes the round trip"
  index=$(layout_digest "$SCRATCH/layout" multi)
  layer=$(get_manifest team/image 1.0 | jq -r '.layers[0].digest')
  forget_everything
  quietly client content fetch "${FLAGS[@]}" --all-platforms "$name"
  same "digest after the fetch" "$index" "$(image_digest "$name")"
  holds_content "$index"
  quietly client content push-object "${FLAGS[@]}" "$HOST/team/object:1.0" "$layer" \
    application/vnd.oci.image.layer.v1.tar+gzip
  registry_get "/v2/team/object/blobs/$layer" | cmp - "$SCRATCH/layout/blobs/sha256/${layer#sha256:}"
  client content fetch-object "${FLAGS[@]}" "$name" >"$SCRATCH/object"
  same "digest of a fetched object" "$index" "$(digest <"$SCRATCH/object")"
}

# check_anonymous_pulls: anybody may pull, but only users push.
check_anonymous_pulls() {
  local name index nobody=(--plain-http)
  choose_host
  set_flags
  [ "$SCHEME" = http ] || nobody=(--tlscacert "$SCRATCH/trust/ca.crt")
  name=$HOST/team/multi:1.0
  index=$(layout_digest "$SCRATCH/layout" multi)
  forget_everything
  import multi "$name"
  step "nobody may not push"
  refused "$DENIED" client images push "${nobody[@]}" "$name"
  quietly images push "$name"

  step "nobody may pull"
  forget_everything
  FLAGS=("${nobody[@]}")
  pull --all-platforms "$name"
  holds_content "$index"
}

prepare containerd
start_containerd
on_every_server check_ctr
on_servers_for_pulling_only check_anonymous_pulls
echo "ctr: pass"
