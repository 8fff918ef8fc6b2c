#!/usr/bin/env bash
# buildah against slipway: images built from scratch and a list of two platforms go there and come back.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/buildah.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

# What is pulled goes into a store of its own, so nothing can be found in the store it was pushed from.
fresh() { buildah --root "$SCRATCH/fresh" --runroot "$SCRATCH/fresh-run" "$@"; }

pull() {
  fresh rmi --all --force >/dev/null
  same "images left in the store" "" "$(fresh images --all --quiet)"
  fresh pull --quiet "${TLS_FLAGS[@]}" "$@" >/dev/null
}

# build ARCHITECTURE FORMAT NAME: a layer for each COPY. No step runs a program, so any machine can build both.
build() {
  local architecture=$1 format=$2 name=$3
  printf 'FROM scratch\nCOPY %s/ /\nCOPY large/ /\nCOPY empty/ /empty\nLABEL purpose="slipway client test"\n' \
    "small-$architecture" >"$SCRATCH/Containerfile"
  buildah bud --quiet --isolation chroot --layers --platform "linux/$architecture" --format "$format" \
    --tag "$name" --file "$SCRATCH/Containerfile" "$SCRATCH/payload" >/dev/null
}

# build_all: once for all registries. The list gets the two images in OCI format.
build_all() {
  build amd64 docker localhost/docker
  build amd64 oci localhost/oci
  build arm64 oci localhost/arm64
  buildah manifest create localhost/list >/dev/null
  buildah manifest add localhost/list localhost/oci >/dev/null
  buildah manifest add localhost/list localhost/arm64 >/dev/null
}

# image_id IMAGE [STORE]: the digest of its configuration.
image_id() { "${2:-buildah}" inspect --type image --format '{{.FromImageID}}' "$1"; }

# holds_payload IMAGE ARCHITECTURE: compares the files of a pulled image with those it was built from.
holds_payload() {
  local container root
  container=$(fresh from --pull-never --arch "$2" "$1")
  root=$(fresh mount "$container")
  cmp "$root/greeting" "$SCRATCH/payload/small-$2/greeting"
  cmp "$root/noise" "$SCRATCH/payload/large/noise"
  [ -d "$root/empty" ] || fail "$1 lost its empty folder"
  fresh rm "$container" >/dev/null
}

check_buildah() {
  set_tls_flags
  strangers_are_refused
  log_in buildah
  image_makes_the_round_trip oci
  image_makes_the_round_trip docker
  list_makes_the_round_trip
  [ "$PROTECTED" = no ] || buildah logout "$REGISTRY" >/dev/null
}

strangers_are_refused() {
  local name=$REGISTRY/team/stranger:1
  step "strangers are refused"
  if [ "$SCHEME" = https ]; then
    refused "$UNTRUSTED" buildah push --tls-verify=true "--cert-dir=$SCRATCH/no-trust" localhost/oci "$name"
  fi
  if [ "$PROTECTED" = yes ]; then
    refused "$DENIED" buildah push "${TLS_FLAGS[@]}" localhost/oci "$name"
    refused "$DENIED" buildah push "${TLS_FLAGS[@]}" --creds "$USER_NAME:wrong" localhost/oci "$name"
    refused "$DENIED" pull "$name"
  fi
}

image_makes_the_round_trip() {
  local format=$1 repository=$REGISTRY/team/$1 id digest
  step "an image in $format format makes the round trip"
  id=$(image_id "localhost/$format")
  buildah push --quiet "${TLS_FLAGS[@]}" --digestfile "$SCRATCH/digest" "localhost/$format" "$repository:1.0"
  digest=$(<"$SCRATCH/digest")
  same "digest of what the registry holds" "$digest" "$(stored "team/$format" 1.0)"
  same "configuration in the registry" "sha256:$id" "$(get_manifest "team/$format" 1.0 | jq -r .config.digest)"

  pull "$repository:1.0"
  same "image id after the pull" "$id" "$(image_id "$repository:1.0" fresh)"
  same "digest after the pull" "$digest" \
    "$(fresh inspect --type image --format '{{.FromImageDigest}}' "$repository:1.0")"
  holds_payload "$repository:1.0" amd64

  pull "$repository@$digest"
  same "image id after a pull by digest" "$id" "$(image_id "$repository@$digest" fresh)"
}

list_makes_the_round_trip() {
  local name=$REGISTRY/team/list:1.0
  step "a list of two platforms makes the round trip"
  buildah manifest push --quiet --all "${TLS_FLAGS[@]}" --digestfile "$SCRATCH/digest" \
    localhost/list "docker://$name" >/dev/null
  same "digest of what the registry holds" "$(<"$SCRATCH/digest")" "$(stored team/list 1.0)"
  same "platforms" "amd64 arm64" \
    "$(get_manifest team/list 1.0 | jq -r '[.manifests[].platform.architecture] | sort | join(" ")')"

  pull --arch amd64 "$name"
  same "image id for amd64" "$(image_id localhost/oci)" "$(image_id "$name" fresh)"
  holds_payload "$name" amd64

  pull --arch arm64 "$name"
  same "image id for arm64" "$(image_id localhost/arm64)" "$(image_id "$name" fresh)"
  holds_payload "$name" arm64
}

prepare buildah
isolate_containers_tools
build_all
on_every_server check_buildah
echo "buildah: pass"
