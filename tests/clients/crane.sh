#!/usr/bin/env bash
# crane against slipway: layouts and tarballs go there and come back, and images are made out of others in the registry.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/crane.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

# It follows no redirect to a loopback address.
export STREAMED=yes

crane() {
  local flags=()
  [ "$SCHEME" = https ] || flags+=(--insecure)
  command crane "$@" "${flags[@]}" 2>"$SCRATCH/crane.log" || {
    cat "$SCRATCH/crane.log" >&2
    return 1
  }
}

# Files and a tar for everything below, once for all registries.
make_files() {
  single_layout "$SCRATCH/layout" multi multi "$SCRATCH/multi"
  single_layout "$SCRATCH/layout" amd64 amd64 "$SCRATCH/amd64"
  mkdir "$SCRATCH/big"
  head -c 20000000 /dev/urandom >"$SCRATCH/big/bulk"
  tar -C "$SCRATCH/big" -cf "$SCRATCH/big.tar" bulk
}

# content REPOSITORY TAG: the digests of an image's configuration and layers, whatever its manifest looks like.
content() { get_manifest "$1" "$2" | jq -r '.config.digest, .layers[].digest'; }

check_crane() {
  trust_registry
  strangers_are_refused
  log_in_with_crane
  layout_makes_the_round_trip
  tarball_makes_the_round_trip
  image_is_described
  image_is_copied
  tags_move_and_are_listed
  repositories_are_listed
  large_layer_is_appended
  image_is_mutated
  index_is_appended
  deleted_image_is_gone
  logout_ends_access
}

strangers_are_refused() {
  local name=$REGISTRY/team/stranger:1
  step "strangers are refused"
  if [ "$SCHEME" = https ]; then
    SSL_CERT_FILE=/dev/null refused "$UNTRUSTED" crane push "$SCRATCH/amd64" "$name"
  fi
  if [ "$PROTECTED" = yes ]; then
    refused "$DENIED" crane push "$SCRATCH/amd64" "$name"
    refused "$DENIED" crane manifest "$name"
  fi
}

log_in_with_crane() {
  [ "$PROTECTED" = yes ] || return 0
  step "the right password is needed"
  crane auth login "$REGISTRY" --username "$USER_NAME" --password wrong # crane asks nobody whether it is right
  refused "$DENIED" crane push "$SCRATCH/amd64" "$REGISTRY/team/stranger:1"
  crane auth login "$REGISTRY" --username "$USER_NAME" --password-stdin <<<"$USER_PASSWORD"
}

layout_makes_the_round_trip() {
  local back=$SCRATCH/back-$SERVER_COUNT digest
  step "an index from a layout makes the round trip"
  digest=$(layout_digest "$SCRATCH/layout" multi)
  same "what push prints" "$REGISTRY/team/app@$digest" "$(crane push "$SCRATCH/multi" "$REGISTRY/team/app:1.0")"
  same "digest by curl" "$digest" "$(stored team/app 1.0)"
  crane pull --format=oci "$REGISTRY/team/app:1.0" "$back"
  diff -r "$SCRATCH/layout/blobs" "$back/blobs" || fail "the blobs that came back differ from those sent"
  crane validate --remote "$REGISTRY/team/app:1.0" >/dev/null
}

tarball_makes_the_round_trip() {
  local tar=$SCRATCH/pulled.tar file
  step "an image makes the round trip as a tarball"
  crane push "$SCRATCH/amd64" "$REGISTRY/team/tarball:layout" >/dev/null
  crane pull "$REGISTRY/team/tarball:layout" "$tar"
  crane push "$tar" "$REGISTRY/team/tarball:tar" >/dev/null
  same "content after pull and push" "$(content team/tarball layout)" "$(content team/tarball tar)"
  stored team/tarball tar >/dev/null
  for file in small-amd64/greeting large/noise; do
    crane export "$REGISTRY/team/tarball:tar" - | tar -xOf - "${file#*/}" | cmp - "$SCRATCH/payload/$file"
  done
}

image_is_described() {
  local digest layer
  step "digest, manifest, config and blob tell what is there"
  digest=$(layout_digest "$SCRATCH/layout" amd64)
  same "digest" "$digest" "$(crane digest "$REGISTRY/team/tarball:layout")"
  same "digest of one platform" "$digest" "$(crane digest --platform linux/amd64 "$REGISTRY/team/app:1.0")"
  crane manifest "$REGISTRY/team/tarball@$digest" | cmp - "$SCRATCH/layout/blobs/sha256/${digest#sha256:}"
  same "label" "slipway client test" "$(crane config "$REGISTRY/team/tarball:layout" | jq -r .config.Labels.purpose)"
  layer=$(crane manifest "$REGISTRY/team/tarball:layout" | jq -r '.layers[1].digest')
  crane blob "$REGISTRY/team/tarball@$layer" | cmp - "$SCRATCH/layout/blobs/sha256/${layer#sha256:}"
}

image_is_copied() {
  local before
  step "copy mounts the blobs into another repository"
  before=$(served 'status=201 .*route=blob\.mount')
  crane copy "$REGISTRY/team/app:1.0" "$REGISTRY/other/deep/copy:1.0"
  same "digest of the copy" "$(layout_digest "$SCRATCH/layout" multi)" "$(stored other/deep/copy 1.0)"
  # Four different layers and two configurations.
  same "blobs mounted" 6 "$(($(served 'status=201 .*route=blob\.mount') - before))"
  crane copy --all-tags "$REGISTRY/team/tarball" "$REGISTRY/other/all"
  same "tags copied" "layout tar" "$(crane ls "$REGISTRY/other/all" | sort | xargs)"
}

tags_move_and_are_listed() {
  step "tags move and are listed"
  crane tag "$REGISTRY/team/app:1.0" stable
  crane tag "$REGISTRY/team/app:1.0" latest
  same "tags" "1.0 latest stable" "$(crane ls "$REGISTRY/team/app" | xargs)"
  crane copy "$REGISTRY/team/tarball:layout" "$REGISTRY/team/app:stable"
  same "moved tag" "$(layout_digest "$SCRATCH/layout" amd64)" "$(crane digest "$REGISTRY/team/app:stable")"
  same "other tag" "$(layout_digest "$SCRATCH/layout" multi)" "$(crane digest "$REGISTRY/team/app:latest")"
}

repositories_are_listed() {
  step "catalog lists the repositories"
  same "repositories" "other/all other/deep/copy team/app team/tarball" "$(crane catalog "$REGISTRY" | xargs)"
}

large_layer_is_appended() {
  local name=$REGISTRY/team/large:1
  step "a layer of 20 MB is appended"
  crane append --base "$REGISTRY/team/tarball:layout" --new_layer "$SCRATCH/big.tar" --new_tag "$name" >/dev/null
  stored team/large 1 >/dev/null
  same "layers" 4 "$(crane manifest "$name" | jq '.layers | length')"
  crane export "$name" - | tar -xOf - bulk | cmp - "$SCRATCH/big/bulk"
}

image_is_mutated() {
  local name=$REGISTRY/team/mutated:1
  step "labels and annotations are changed in the registry"
  crane mutate "$REGISTRY/team/tarball:layout" --label flavour=plain --annotation org.example.why=test --tag "$name" \
    >/dev/null
  stored team/mutated 1 >/dev/null
  same "labels" "slipway client test plain" \
    "$(crane config "$name" | jq -r '.config.Labels | "\(.purpose) \(.flavour)"')"
  same "annotation" test "$(crane manifest "$name" | jq -r '.annotations["org.example.why"]')"
}

index_is_appended() {
  local name=$REGISTRY/team/index:1
  step "an index is made of images in the registry"
  crane index append --manifest "$REGISTRY/team/tarball:layout" --manifest "$REGISTRY/team/mutated:1" --tag "$name" \
    >/dev/null 2>&1
  stored team/index 1 >/dev/null
  same "images in it" "$(crane digest "$REGISTRY/team/tarball:layout") $(crane digest "$REGISTRY/team/mutated:1")" \
    "$(crane manifest "$name" | jq -r '.manifests[].digest' | xargs)"
}

deleted_image_is_gone() {
  local digest
  step "a deleted tag and a deleted image are gone, their neighbours are not"
  digest=$(crane digest "$REGISTRY/team/app:latest")
  crane delete "$REGISTRY/team/app:latest"
  same "tags left" "1.0 stable" "$(crane ls "$REGISTRY/team/app" | xargs)"
  same "digest of the other tag" "$digest" "$(crane digest "$REGISTRY/team/app:1.0")"
  crane delete "$REGISTRY/team/app@$digest"
  same "tags left" stable "$(crane ls "$REGISTRY/team/app" | xargs)"
  refused 'unknown|not found' crane manifest "$REGISTRY/team/app:1.0"
  same "same image elsewhere" "$digest" "$(stored other/deep/copy 1.0)"
}

logout_ends_access() {
  [ "$PROTECTED" = yes ] || return 0
  step "logout ends access"
  crane auth logout "$REGISTRY"
  refused "$DENIED" crane pull "$REGISTRY/team/tarball:tar" "$SCRATCH/stolen.tar"
}

prepare crane
isolate_go_clients
make_files
on_every_server check_crane
echo "crane: pass"
