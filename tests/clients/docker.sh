#!/usr/bin/env bash
# docker against slipway: a private dockerd pushes a built and an imported image and pulls them back.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/docker.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

DOCKERD_PID=
HOST=               # what dockerd calls the running registry

# --- The private dockerd --------------------------------------------------------------------------------------------

# The client that belongs to dockerd, whatever else is on the path.
docker() { /usr/bin/docker --host "unix://$SCRATCH/docker/socket" "$@"; }

# It leaves the machine's network alone, starts a containerd of its own, and has an /etc/docker of its own for its key
# and our CA. It insists on control groups, although nothing here runs a container; a bare chroot has none to offer.
start_dockerd() {
  local tries=600 own=$SCRATCH/docker
  mkdir "$own"
  echo '{}' >"$own/daemon.json"
  export DOCKER_CONFIG=$own/client DOCKER_BUILDKIT=0
  unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_CONTENT_TRUST
  EXIT_HOOKS+=(stop_dockerd)
  hide_folder /etc/docker
  mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup
  dockerd --config-file "$own/daemon.json" --host "unix://$own/socket" --pidfile "$own/pid" \
    --data-root "$own/data" --exec-root "$own/run" --storage-driver vfs \
    --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false >"$own/log" 2>&1 &
  DOCKERD_PID=$!
  until docker version >/dev/null 2>&1; do
    kill -0 "$DOCKERD_PID" 2>/dev/null || fail "dockerd ended before it was ready: $(tail -n 5 "$own/log")"
    [ $((tries -= 1)) -gt 0 ] || fail "dockerd was not ready after 60 seconds: $(tail -n 5 "$own/log")"
    sleep 0.1
  done
}

stop_dockerd() {
  local containerd
  containerd=$(cat "$SCRATCH/docker/run/containerd/containerd.pid" 2>/dev/null)
  end_process "$DOCKERD_PID"
  # Only a dockerd that had to be killed leaves its containerd behind.
  grep -qsF "$SCRATCH" "/proc/${containerd:-none}/cmdline" && kill -KILL "$containerd"
}

# choose_host: dockerd checks no certificate of a host within 127.0.0.0/8 and tolerates plain HTTP there. 0.0.0.0 leads
# to the same socket and gets no such favour.
choose_host() {
  HOST=$REGISTRY
  [ "$SCHEME" = http ] || HOST=0.0.0.0:${REGISTRY#*:}
}

trust_ca() {
  mkdir -p "/etc/docker/certs.d/$HOST"
  cp "$SCRATCH/trust/ca.crt" "/etc/docker/certs.d/$HOST/ca.crt"
}

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
  unknown_ca_is_refused
  trust_ca
  strangers_are_refused
  log_in_with_docker
  image_makes_the_round_trip built
  image_makes_the_round_trip imported
  layers_are_mounted
  logout_ends_access
  forget_all_images
}

unknown_ca_is_refused() {
  [ "$SCHEME" = https ] || return 0
  step "a certificate from an unknown CA is refused"
  refused "$UNTRUSTED" docker push "$HOST/team/stranger:1"
}

strangers_are_refused() {
  [ "$PROTECTED" = yes ] || return 0
  step "strangers are refused"
  refused "$DENIED" docker push "$HOST/team/stranger:1"
  refused "$DENIED" docker pull "$HOST/team/stranger:1"
}

log_in_with_docker() {
  [ "$PROTECTED" = yes ] || return 0
  step "login takes the right password only"
  refused "$DENIED" docker login --username "$USER_NAME" --password wrong "$HOST"
  docker login --username "$USER_NAME" --password-stdin "$HOST" <<<"$USER_PASSWORD" >/dev/null 2>"$SCRATCH/login.log" ||
    fail "docker login: $(cat "$SCRATCH/login.log")"
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

logout_ends_access() {
  [ "$PROTECTED" = yes ] || return 0
  step "logout ends access"
  docker logout "$HOST" >/dev/null
  refused "$DENIED" docker pull "$HOST/team/built:1.0"
}

prepare dockerd
start_dockerd
make_images
on_every_server check_docker
echo "docker: pass"
