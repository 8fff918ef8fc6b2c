#!/usr/bin/env bash
# Runs ./dev in a fresh minimal Debian 12, as on a newcomer's machine, and says how long it took. Needs root.
# usage: scripts/clean_root.sh [verb args]      (without arguments: `run --tour-only`, then `test`)
#
# CI=true, so that a client that cannot be had fails its test instead of skipping it.
#
# The root is made by mmdebstrap from this machine's own apt sources, and lives in a temporary directory. What runs in
# it has mounts and processes of its own, so that nothing is left when it ends. CLEAN_ROOT_KEEP=yes keeps the directory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# This machine's sources for bookworm, without those of other vendors.
debian_sources() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$file" ] || continue
    grep -hE '^deb(-src)? .*[[:space:]]bookworm(-updates|-security)?[[:space:]]' "$file" || continue
  done
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -e "$file" ] || continue
    if grep -qE '^Suites:.*\bbookworm(-updates|-security)?([[:space:]]|$)' "$file"; then
      cat "$file"
      echo
    fi
  done
}

# How this machine's apt reaches its sources: proxies, and checks that its mirror cannot pass.
apt_options() { apt-config dump | grep -E '^Acquire::(http|https|Check-[A-Za-z-]+)(::[A-Za-z:-]+)? ' || [ $? = 1 ]; }

make_root() { # make_root SCRATCH
  debian_sources >"$1/debian.sources"
  apt_options >"$1/apt.conf"
  mmdebstrap --quiet --variant=minbase --aptopt="$1/apt.conf" bookworm "$1/root" "$1/debian.sources"
  cp -L /etc/resolv.conf "$1/root/etc/resolv.conf"
}

# What a clone would hold, changes not yet committed included.
copy_project() { # copy_project ROOT
  mkdir -p "$1/home/slipway"
  git ls-files --cached --others --exclude-standard -z | while IFS= read -r -d '' file; do
    if [ -e "$file" ]; then printf '%s\0' "$file"; fi
  done | tar --create --null --files-from=- | tar --extract --no-same-owner --directory="$1/home/slipway"
}

# The tools that scripts/tools.sh builds go along: Debian 12 has no Go and no Rust that could build them.
copy_tools() { # copy_tools ROOT
  local name path
  for name in buildctl buildkitd crane oras regctl sccache conformance conformance-1.1; do
    path=$(scripts/tools.sh "$name") || continue # its test tells, too
    install -D "$path" "$1/root/.cache/slipway/tools/$(basename "$(dirname "$path")")/$(basename "$path")"
  done
}

# Called below unshare: makes ROOT this process's root, not merely a chroot, for container tools refuse to work in one.
enter() { # enter ROOT COMMAND...
  local root=$1 folder
  shift
  mount --bind "$root" "$root"
  for folder in sys dev; do mount --rbind "/$folder" "$root/$folder"; done
  mount -t proc proc "$root/proc"
  mount -t tmpfs tmpfs "$root/tmp"
  cd "$root"
  pivot_root . .
  umount -l .
  cd /home/slipway
  exec "$@"
}

timed() { # timed ROOT WHAT...
  local root=$1 start=$SECONDS status=0
  shift
  printf '== ./dev %s, in a clean root\n' "$*"
  unshare --mount --propagation private --pid --fork --kill-child "$0" --enter "$root" \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb CI=true ./dev "$@" || status=$?
  times+=("$((SECONDS - start)) s: ./dev $* (status $status)")
  return "$status"
}

if [ "${1:-}" = --enter ]; then
  shift
  enter "$@"
fi

times=()
scratch=$(mktemp -d -p /var/tmp)
finish() {
  if [ "${CLEAN_ROOT_KEEP:-}" = yes ]; then
    echo "kept $scratch"
  else
    rm -rf --one-file-system "$scratch"
  fi
  printf '%s\n' "${times[@]}"
}
trap finish EXIT
make_root "$scratch"
times+=("$SECONDS s: making the root")
copy_project "$scratch/root"
copy_tools "$scratch/root"
if [ $# -gt 0 ]; then
  timed "$scratch/root" "$@"
else
  timed "$scratch/root" run --tour-only
  timed "$scratch/root" test
fi
