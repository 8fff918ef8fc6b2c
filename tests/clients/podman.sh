#!/usr/bin/env bash
# podman against slipway: a loaded image and a built one go there and come back, and login decides who may do it.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/podman.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

# What is pulled goes into a store of its own, so nothing can be found in the store it was pushed from.
fresh() { podman --root "$SCRATCH/fresh" --runroot "$SCRATCH/fresh-run" --tmpdir "$SCRATCH/fresh-tmp" "$@"; }

pull() {
  fresh rmi --all --force >/dev/null
  same "images left in the store" "" "$(fresh images --all --quiet)"
  fresh pull --quiet "${TLS_FLAGS[@]}" "$@" >/dev/null
}

# make_images: localhost/loaded, whose configuration and layers podman had no hand in, and localhost/built.
make_images() {
  image_archive "$SCRATCH/layout" amd64 localhost/loaded:latest >"$SCRATCH/loaded.tar"
  podman load --quiet --input "$SCRATCH/loaded.tar" >/dev/null
  printf 'FROM scratch\nCOPY small-amd64/ /\nCOPY large/ /\nCOPY empty/ /empty\n' >"$SCRATCH/Containerfile"
  podman build --quiet --isolation chroot --layers --format docker --tag localhost/built \
    --file "$SCRATCH/Containerfile" "$SCRATCH/payload" >/dev/null
  image_archive "$SCRATCH/layout" arm64 localhost/arm64:latest >"$SCRATCH/loaded.tar"
  podman load --quiet --input "$SCRATCH/loaded.tar" >/dev/null
  podman manifest create localhost/list >/dev/null
  podman manifest add --os linux --arch amd64 localhost/list containers-storage:localhost/loaded:latest >/dev/null
  podman manifest add --os linux --arch arm64 localhost/list containers-storage:localhost/arm64:latest >/dev/null
}

# describe IMAGE [STORE]: the digest of its configuration and those of its layers' tars.
describe() { "${2:-podman}" image inspect "$1" | jq -r '.[0] | "sha256:\(.Id)", .RootFS.Layers[]'; }

# holds_payload IMAGE [ARCHITECTURE]: compares the files of a pulled image with those it was made from.
holds_payload() {
  local root
  root=$(fresh image mount "$1")
  cmp "$root/greeting" "$SCRATCH/payload/small-${2:-amd64}/greeting"
  cmp "$root/noise" "$SCRATCH/payload/large/noise"
  fresh image unmount "$1" >/dev/null
}

check_podman() {
  set_tls_flags
  strangers_are_refused
  log_in podman
  image_makes_the_round_trip loaded
  image_makes_the_round_trip built
  list_makes_the_round_trip
  tags_are_listed
  logout_ends_access
}

strangers_are_refused() {
  local name=$REGISTRY/team/stranger:1
  step "strangers are refused"
  if [ "$SCHEME" = https ]; then
    refused "$UNTRUSTED" podman push --tls-verify=true "--cert-dir=$SCRATCH/no-trust" localhost/loaded "$name"
  fi
  if [ "$PROTECTED" = yes ]; then
    refused "$DENIED" podman push "${TLS_FLAGS[@]}" localhost/loaded "$name"
    refused "$DENIED" podman push "${TLS_FLAGS[@]}" --creds "$USER_NAME:wrong" localhost/loaded "$name"
    refused "$DENIED" pull "$name"
  fi
}

image_makes_the_round_trip() {
  local image=$1 repository=$REGISTRY/team/$1 sent digest
  step "a $image image makes the round trip"
  sent=$(describe "localhost/$image")
  podman push --quiet "${TLS_FLAGS[@]}" --digestfile "$SCRATCH/digest" "localhost/$image" "$repository:1.0"
  digest=$(<"$SCRATCH/digest")
  same "digest of what the registry holds" "$digest" "$(stored "team/$image" 1.0)"
  same "configuration in the registry" "${sent%%$'\n'*}" "$(get_manifest "team/$image" 1.0 | jq -r .config.digest)"

  pull "$repository:1.0"
  same "configuration and layers after the pull" "$sent" "$(describe "$repository:1.0" fresh)"
  same "digest after the pull" "$digest" "$(fresh image inspect --format '{{.Digest}}' "$repository:1.0")"
  holds_payload "$repository:1.0"

  pull "$repository@$digest"
  same "configuration and layers after a pull by digest" "$sent" "$(describe "$repository@$digest" fresh)"
}

# podman 4.3 takes no flags about TLS here, and looks for credentials in one place whatever it is told.
inspect_list() {
  local insecure=true settings=$SCRATCH/registries.conf
  [ "$SCHEME" = http ] || insecure=false
  printf '[[registry]]\nlocation = "%s"\ninsecure = %s\n' "$REGISTRY" "$insecure" >"$settings"
  install -D "$REGISTRY_AUTH_FILE" "$XDG_RUNTIME_DIR/containers/auth.json"
  CONTAINERS_REGISTRIES_CONF=$settings SSL_CERT_FILE=$SCRATCH/trust/ca.crt podman manifest inspect "$1"
  rm "$XDG_RUNTIME_DIR/containers/auth.json"
}

list_makes_the_round_trip() {
  local name=$REGISTRY/team/list:1.0 architecture sent
  step "a list of two platforms makes the round trip"
  podman manifest push --quiet --all "${TLS_FLAGS[@]}" --digestfile "$SCRATCH/digest" localhost/list "docker://$name" \
    >/dev/null
  same "digest of what the registry holds" "$(<"$SCRATCH/digest")" "$(stored team/list 1.0)"
  same "platforms by podman" "amd64 arm64" \
    "$(inspect_list "$name" | jq -r '[.manifests[].platform.architecture] | sort | join(" ")')"
  for architecture in amd64 arm64; do
    sent=$(describe "localhost/${architecture/amd64/loaded}")
    pull --arch "$architecture" "$name"
    same "$architecture image" "$sent" "$(describe "$name" fresh)"
    holds_payload "$name" "$architecture"
  done
}

tags_are_listed() {
  local found
  step "search lists the tags"
  podman push --quiet "${TLS_FLAGS[@]}" localhost/loaded "$REGISTRY/team/loaded:1.1"
  # podman 4.3 knows no --cert-dir here, but Go takes its roots from SSL_CERT_FILE.
  found=$(SSL_CERT_FILE=$SCRATCH/trust/ca.crt \
    podman search --list-tags --format json "${TLS_FLAGS[0]}" "$REGISTRY/team/loaded")
  same "tags" "1.0 1.1" "$(jq -r '[.[].Tags[]] | sort | join(" ")' <<<"$found")"
}

logout_ends_access() {
  [ "$PROTECTED" = yes ] || return 0
  step "logout ends access"
  podman logout "$REGISTRY" >/dev/null
  refused "$DENIED" pull "$REGISTRY/team/loaded:1.0"
}

prepare podman
isolate_containers_tools
make_images
on_every_server check_podman
echo "podman: pass"
