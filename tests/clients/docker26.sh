#!/usr/bin/env bash
# docker 26.1 with buildx and the containerd image store against slipway: images of two platforms with provenance,
# imagetools, and BuildKit's cache. Debian 12 has no buildx; scripts/trixie_docker.sh brings it.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/docker26.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"
# shellcheck source=tests/support/dockerd.sh
source "${BASH_SOURCE[0]%/*}/../support/dockerd.sh"
# shellcheck source=tests/support/buildkit.sh
source "${BASH_SOURCE[0]%/*}/../support/buildkit.sh"

# --- The builder ----------------------------------------------------------------------------------------------------

# dockerd finds its own containerd first on the path, and Debian 12's runc behind it.
use_docker26() {
  PATH=$ENGINE/usr/bin:$ENGINE/usr/sbin:$PATH
  DOCKER=$ENGINE/usr/bin/docker
  mkdir -p "$SCRATCH/docker/client/cli-plugins"
  ln -s "$ENGINE"/usr/libexec/docker/cli-plugins/docker-buildx "$SCRATCH/docker/client/cli-plugins/"
  # What is in /etc/docker/certs.d is not enough: with this image store dockerd asks for tokens with the machine's roots,
  # and so do buildx, which asks for them on behalf of BuildKit, and imagetools.
  export SSL_CERT_FILE=$SCRATCH/trust/ca.crt
  # native copies folders, which works everywhere.
  start_dockerd '{"features": {"containerd-snapshotter": true}, "storage-driver": "native"}'
}

build() {
  local name=$1 cache=${2:-} flags=()
  [ -z "$cache" ] || flags=(--cache-to "$cache" --cache-from "$cache")
  docker buildx build --progress rawjson --platform "$PLATFORMS" --push --tag "$name" "${flags[@]}" "$CONTEXT"
}

# containerd collects its garbage a little after the last name is gone.
forget_everything() {
  local tries=100 images content
  images=$(docker images --all --quiet --no-trunc | sort -u)
  [ -z "$images" ] || xargs -n 50 "$DOCKER" --host "unix://$SCRATCH/docker/socket" rmi --force <<<"$images" >/dev/null
  docker buildx prune --all --force >/dev/null
  while content=$(ctr --address "$SCRATCH/docker/run/containerd/containerd.sock" --namespace moby content ls --quiet) &&
    [ -n "$content" ]; do
    [ $((tries -= 1)) -gt 0 ] || fail "content left in the store after 10 seconds: $content"
    sleep 0.1
  done
}

imagetools_create() {
  docker buildx imagetools create "$@" 2>"$SCRATCH/tools.log" || fail "imagetools create $*: $(<"$SCRATCH/tools.log")"
}

# --- Images ---------------------------------------------------------------------------------------------------------

# make_image: an image of this machine's platform, for all registries. No attestation: what is pushed is one manifest.
make_image() {
  docker buildx build --quiet --provenance=false --tag built --output "type=docker,dest=$SCRATCH/built.tar" "$CONTEXT" \
    >/dev/null
}

# holds_payload IMAGE PLATFORM: compares the files of a pulled image with those it was built from.
holds_payload() {
  local container
  container=$(docker create --pull never --network none --platform "$2" "$1" /none)
  docker cp "$container:/greeting" - | tar -xOf - | cmp - "$CONTEXT/small-${2#*/}/greeting"
  docker cp "$container:/noise" - | tar -xOf - | cmp - "$CONTEXT/large/noise"
  docker rm "$container" >/dev/null
}

# --- Checks ---------------------------------------------------------------------------------------------------------

check_docker26() {
  choose_host
  docker load --quiet --input "$SCRATCH/built.tar" >/dev/null
  docker tag built "$HOST/team/stranger:1"
  strangers_are_refused "$HOST/team/stranger:1"
  log_in_with_docker
  image_makes_the_round_trip
  if [ "$SCHEME-$PROTECTED" = https-yes ]; then # the rest once, behind every fence
    platforms_make_the_round_trip
    imagetools_make_and_extend_an_index
    cache_makes_the_round_trip_in_every_shape
  fi
  logout_ends_access "$HOST/team/built:1.0"
  forget_everything
}

# With the containerd image store an image is known by the digest of its manifest.
image_makes_the_round_trip() {
  local repository=$HOST/team/built digest
  step "an image makes the round trip"
  digest=$(docker image inspect --format '{{.Id}}' built)
  docker tag built "$repository:1.0"
  docker push --quiet "$repository:1.0" >/dev/null
  same "digest of what the registry holds" "$digest" "$(stored team/built 1.0)"

  forget_everything
  docker pull --quiet "$repository:1.0" >/dev/null
  same "digest after the pull" "$digest" "$(docker image inspect --format '{{.Id}}' "$repository:1.0")"
  holds_payload "$repository:1.0" "$NATIVE"

  forget_everything
  docker pull --quiet "$repository@$digest" >/dev/null
  same "digest after a pull by digest" "$digest" "$(docker image inspect --format '{{.Id}}' "$repository@$digest")"
}

platforms_make_the_round_trip() {
  local name=$HOST/team/multi:1 platform digest
  step "an image of two platforms makes the round trip, with its provenance"
  logged build "$name"
  holds_images team/multi 1
  holds_provenance team/multi 1
  digest=$(stored team/multi 1)
  for platform in ${PLATFORMS/,/ }; do
    forget_everything
    docker pull --quiet --platform "$platform" "$name" >/dev/null
    same "digest after the pull for $platform" "$digest" "$(docker image inspect --format '{{.Id}}' "$name")"
    holds_payload "$name" "$platform"
  done
}

# An index of arm64 alone, made from one of both; amd64 comes to it afterwards, from another repository.
imagetools_make_and_extend_an_index() {
  local multi=$HOST/team/multi own=$HOST/team/own amd64 arm64
  local provenance
  step "imagetools make an index, extend it and look into it"
  read -r _ amd64 < <(image_digests team/multi 1 | grep amd64)
  read -r _ arm64 < <(image_digests team/multi 1 | grep arm64)
  imagetools_create --tag "$multi:2" --tag "$multi:3" "$multi:1"
  same "digest of a new tag" "$(stored team/multi 1)" "$(stored team/multi 2)"
  same "digest of another new tag" "$(stored team/multi 1)" "$(stored team/multi 3)"
  docker buildx imagetools inspect --raw "$multi:2" | cmp - <(get_manifest team/multi 1)
  provenance=$(docker buildx imagetools inspect --format '{{json .Provenance}}' "$multi:2")
  same "platforms whose provenance imagetools find" "$PLATFORMS" "$(jq -r 'keys | join(",")' <<<"$provenance")"

  imagetools_create --tag "$own:1" "$multi@$arm64"
  same "digest of what the registry holds" \
    "$(docker buildx imagetools inspect --raw "$own:1" | digest)" "$(stored team/own 1)"
  same "images of the index" "arm64 $arm64" "$(image_digests team/own 1)"
  imagetools_create --tag "$own:1" --append "$multi@$amd64"
  same "digest of the extended index" \
    "$(docker buildx imagetools inspect --raw "$own:1" | digest)" "$(stored team/own 1)"
  same "images of the extended index" "$(image_digests team/multi 1)" "$(image_digests team/own 1)"
}

# check_anonymous_pulls: anybody may pull, but only users push.
check_anonymous_pulls() {
  local cache all PLATFORMS=$NATIVE
  choose_host
  docker logout "$HOST" >/dev/null 2>&1
  docker load --quiet --input "$SCRATCH/built.tar" >/dev/null
  docker tag built "$HOST/team/built:1.0"
  step "nobody may not push"
  refused "$DENIED" docker push "$HOST/team/built:1.0"
  log_in_with_docker
  step "what users push"
  cache="type=registry,ref=$HOST/cache/main:latest"
  docker push --quiet "$HOST/team/built:1.0" >/dev/null
  logged build "$HOST/team/multi:1" "$cache,mode=max"
  all=$(steps)
  docker logout "$HOST" >/dev/null

  step "nobody may pull, build upon an image, and import a cache"
  forget_everything
  docker pull --quiet "$HOST/team/built:1.0" >/dev/null
  holds_payload "$HOST/team/built:1.0" "$NATIVE"
  forget_everything
  printf 'FROM %s\n' "$HOST/team/multi:1" | logged docker buildx build --progress rawjson --platform "$PLATFORMS" -
  finds_every_step "$all" \
    docker buildx build --progress rawjson --platform "$PLATFORMS" --cache-from "$cache" "$CONTEXT"
  docker buildx imagetools inspect --raw "$HOST/team/multi:1" | cmp - <(get_manifest team/multi 1)
}

# --- Start ----------------------------------------------------------------------------------------------------------

ENGINE=$("${BASH_SOURCE[0]%/*}/../../scripts/trixie_docker.sh") || absent "docker 26.1 cannot be had"
prepare runc
NATIVE=linux/$(dpkg --print-architecture)
use_docker26
make_context "$ENGINE/usr/bin/busybox"
make_image
on_every_server check_docker26
on_servers_for_pulling_only check_anonymous_pulls
echo "docker26: pass"
