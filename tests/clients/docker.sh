#!/usr/bin/env bash
# docker against slipway: a private dockerd pushes a built and an imported image and pulls them back.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/docker.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"
# shellcheck source=tests/support/dockerd.sh
source "${BASH_SOURCE[0]%/*}/../support/dockerd.sh"

# --- Images ---------------------------------------------------------------------------------------------------------

# make_images: built.tar with a layer for each COPY and imported.tar with a single one, for all registries.
make_images() {
  printf 'FROM scratch\nCOPY small-amd64/ /\nCOPY large/ /\nCOPY empty/ /empty\nLABEL purpose="slipway client test"\n' \
    >"$SCRATCH/payload/Dockerfile"
  docker build --quiet --tag built "$SCRATCH/payload" >/dev/null
  tar -C "$SCRATCH/payload" -cf - --transform 's,^[^/]*/,,' small-amd64/greeting large/noise |
    docker import --change 'LABEL purpose="slipway client test"' - imported >/dev/null
  docker save --output "$SCRATCH/built.tar" built
  docker save --output "$SCRATCH/imported.tar" imported
}

forget_all_images() {
  docker image prune --all --force >/dev/null
  same "images left in the store" "" "$(docker images --all --quiet)"
}

# describe IMAGE: the digest of its configuration and those of its layers' tars.
describe() { docker image inspect "$1" | jq -r '.[0] | .Id, .RootFS.Layers[]'; }

# holds_payload IMAGE: compares the files of a pulled image with those it was made from.
holds_payload() {
  local container
  container=$(docker create --network none "$1" /none)
  docker cp "$container:/greeting" - | tar -xOf - | cmp - "$SCRATCH/payload/small-amd64/greeting"
  docker cp "$container:/noise" - | tar -xOf - | cmp - "$SCRATCH/payload/large/noise"
  docker rm "$container" >/dev/null
}

# push IMAGE: prints the digest that dockerd reports; the whole output is kept in push.log.
push() {
  docker push "$1" >"$SCRATCH/push.log" || fail "docker push $1: $(tail -n 3 "$SCRATCH/push.log")"
  sed -n 's/.*digest: \(sha256:[0-9a-f]*\) .*/\1/p' "$SCRATCH/push.log"
}

# --- Checks ---------------------------------------------------------------------------------------------------------

check_docker() {
  choose_host
  docker load --quiet --input "$SCRATCH/built.tar" >/dev/null
  docker tag built "$HOST/team/stranger:1"
  unknown_ca_is_refused "$HOST/team/stranger:1"
  trust_ca
  strangers_are_refused "$HOST/team/stranger:1"
  log_in_with_docker
  image_makes_the_round_trip built
  image_makes_the_round_trip imported
  layers_are_mounted
  logout_ends_access "$HOST/team/built:1.0"
  forget_all_images
}

image_makes_the_round_trip() {
  local image=$1 repository=$HOST/team/$1 sent digest
  step "the $image image makes the round trip"
  docker load --quiet --input "$SCRATCH/$image.tar" >/dev/null
  sent=$(describe "$image")
  docker tag "$image" "$repository:1.0"
  digest=$(push "$repository:1.0")
  same "digest of what the registry holds" "$digest" "$(stored "team/$image" 1.0)"
  same "configuration in the registry" "${sent%%$'\n'*}" "$(get_manifest "team/$image" 1.0 | jq -r .config.digest)"

  forget_all_images
  docker pull --quiet "$repository:1.0" >/dev/null
  same "configuration and layers after the pull" "$sent" "$(describe "$repository:1.0")"
  same "digest after the pull" "$repository@$digest" \
    "$(docker image inspect --format '{{join .RepoDigests " "}}' "$repository:1.0")"
  holds_payload "$repository:1.0"

  forget_all_images
  docker pull --quiet "$repository@$digest" >/dev/null
  same "configuration and layers after a pull by digest" "$sent" "$(describe "$repository@$digest")"
}

layers_are_mounted() {
  step "layers known from one repository are mounted into another"
  docker pull --quiet "$HOST/team/built:1.0" >/dev/null
  docker tag "$HOST/team/built:1.0" "$HOST/other/deep/copy:1.0"
  push "$HOST/other/deep/copy:1.0" >/dev/null
  same "layers mounted" 3 "$(grep -c 'Mounted from team/built' "$SCRATCH/push.log")"
  same "digest of the copy" "$(stored team/built 1.0)" "$(stored other/deep/copy 1.0)"
  push "$HOST/other/deep/copy:1.0" >/dev/null
  same "layers found by a second push" 3 "$(grep -c 'Layer already exists' "$SCRATCH/push.log")"
}

# check_anonymous_pulls: anybody may pull, but only users push. A server with users asks for credentials, and dockerd
# asks for nothing without any unless it is told where to get a token for nobody.
check_anonymous_pulls() {
  choose_host
  trust_ca
  docker load --quiet --input "$SCRATCH/built.tar" >/dev/null
  docker tag built "$HOST/team/built:1.0"
  step "nobody may not push"
  refused "$DENIED" docker push "$HOST/team/built:1.0"
  log_in_with_docker
  push "$HOST/team/built:1.0" >/dev/null
  docker logout "$HOST" >/dev/null

  step "nobody may pull"
  forget_all_images
  docker pull --quiet "$HOST/team/built:1.0" >/dev/null
  holds_payload "$HOST/team/built:1.0"
  docker tag "$HOST/team/built:1.0" "$HOST/team/built:2.0"
  refused "$DENIED" docker push "$HOST/team/built:2.0"
  forget_all_images
}

prepare dockerd
export DOCKER_BUILDKIT=0
start_dockerd '{}' --storage-driver vfs
make_images
on_every_server check_docker
on_servers_for_pulling_only check_anonymous_pulls
echo "docker: pass"
