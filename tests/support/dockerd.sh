# shellcheck shell=bash
# A private dockerd for the tests of docker's clients, sourced after clients.sh.

DOCKER=/usr/bin/docker # the client that belongs to dockerd, whatever else is on the path
DOCKERD_PID=

docker() { "$DOCKER" --host "unix://$SCRATCH/docker/socket" "$@"; }

# start_dockerd SETTINGS [flags of dockerd]: SETTINGS is what daemon.json says. It leaves the machine's network alone,
# starts a containerd of its own, and has an /etc/docker of its own for its key and our CA. It insists on control
# groups, even where nothing runs a container; a bare chroot has none to offer.
start_dockerd() {
  local settings=$1 own=$SCRATCH/docker
  shift
  mkdir -p "$own/client"
  echo "$settings" >"$own/daemon.json"
  export DOCKER_CONFIG=$own/client
  unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_CONTENT_TRUST
  EXIT_HOOKS+=(stop_dockerd)
  hide_folder /etc/docker
  mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup
  dockerd --config-file "$own/daemon.json" --host "unix://$own/socket" --pidfile "$own/pid" \
    --data-root "$own/data" --exec-root "$own/run" \
    --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false "$@" >"$own/log" 2>&1 &
  DOCKERD_PID=$!
  await_daemon dockerd "$DOCKERD_PID" "$own/log" docker version
}

stop_dockerd() {
  local containerd
  containerd=$(cat "$SCRATCH/docker/run/containerd/containerd.pid" 2>/dev/null)
  end_process "$DOCKERD_PID"
  # Only a dockerd that had to be killed leaves its containerd behind.
  grep -qsF "$SCRATCH" "/proc/${containerd:-none}/cmdline" && kill -KILL "$containerd"
}

trust_ca() {
  mkdir -p "/etc/docker/certs.d/$HOST"
  cp "$SCRATCH/trust/ca.crt" "/etc/docker/certs.d/$HOST/ca.crt"
}

# --- Checks that hold for every dockerd -----------------------------------------------------------------------------

unknown_ca_is_refused() { # unknown_ca_is_refused IMAGE-TO-PUSH
  [ "$SCHEME" = https ] || return 0
  step "a certificate from an unknown CA is refused"
  refused "$UNTRUSTED" docker push "$1"
}

strangers_are_refused() { # strangers_are_refused IMAGE-TO-PUSH
  [ "$PROTECTED" = yes ] || return 0
  step "strangers are refused"
  refused "$DENIED" docker push "$1"
  refused "$DENIED" docker pull "$1"
}

log_in_with_docker() {
  [ "$PROTECTED" = yes ] || return 0
  step "login takes the right password only"
  refused "$DENIED" docker login --username "$USER_NAME" --password wrong "$HOST"
  docker login --username "$USER_NAME" --password-stdin "$HOST" <<<"$USER_PASSWORD" >/dev/null 2>"$SCRATCH/login.log" ||
    fail "docker login: $(cat "$SCRATCH/login.log")"
}

logout_ends_access() { # logout_ends_access IMAGE-TO-PULL
  [ "$PROTECTED" = yes ] || return 0
  step "logout ends access"
  docker logout "$HOST" >/dev/null
  refused "$DENIED" docker pull "$1"
}
