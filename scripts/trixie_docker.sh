#!/usr/bin/env bash
# Brings a Docker that Debian 12 does not have, for the tests that need its BuildKit: docker 26.1 with buildx 0.13 and
# containerd 1.7, as Debian trixie packs them, and a static busybox for images to run. Prints the folder they lie in, to
# be used in place: nothing is installed, and the machine's apt knows nothing of it.
# usage: scripts/trixie_docker.sh
#
# The folder is docker-26 below $SLIPWAY_TOOLS, or ~/.cache/slipway/tools; what is there is not fetched again, and
# removing it is how to get a newer one. Callers may come at the same time. trixie's runc needs a newer libc than
# Debian 12 has, so the engine has to be given Debian 12's, from the path.
set -euo pipefail

tools=${SLIPWAY_TOOLS:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/slipway/tools}
folder=$tools/docker-26
packages=(docker.io docker-cli docker-buildx containerd busybox-static)

die() {
  echo "$0: $*" >&2
  exit 1
}

# The mirror that serves this machine its bookworm serves trixie too.
mirror() {
  apt-get indextargets --no-release-info --format "\$(REPO_URI)" \
    'Created-By: Packages' 'Release: bookworm' 'Component: main' | sed -n 1p
}

# apt_here APT-PROGRAM...: with sources, lists and a cache of its own, and no knowledge of what is installed. How to
# reach a mirror (proxies, checks that it cannot pass) is still the machine's business.
apt_here() {
  "$1" -qq -o Dir::State="$scratch/state" -o Dir::State::status=/dev/null -o Dir::Cache="$scratch/cache" \
    -o Dir::Etc::SourceList="$scratch/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=3 "${@:2}"
}

fetch() {
  local uri package
  uri=$(mirror)
  [ -n "$uri" ] || die "apt has no source for bookworm, so there is no telling which mirror has trixie"
  mkdir -p "$scratch/state/lists/partial" "$scratch/cache/archives/partial" "$scratch/packages" "$scratch/root"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri trixie main" >"$scratch/sources.list"
  # Only the packages' names are wanted of all that a mirror offers about them.
  apt_here apt-get update -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false >&2
  (cd "$scratch/packages" && apt_here apt-get download "${packages[@]}" >&2)
  for package in "$scratch"/packages/*.deb; do dpkg -x "$package" "$scratch/root"; done
  # shellcheck disable=SC2016 # dpkg-deb's own variables
  for package in "$scratch"/packages/*.deb; do
    dpkg-deb --show --showformat='${Package} ${Version}\n' "$package"
  done >"$scratch/root/versions"
  "$scratch/root/usr/bin/docker" --version | grep -q ' 26\.1\.' || die "this is not docker 26.1"
  mv -T "$scratch/root" "$folder" # a folder that has its name is complete
}

mkdir -p "$tools"
exec 9>"$tools/.docker-26.lock"
flock 9
if [ ! -d "$folder" ]; then
  scratch=$(mktemp -d -p "$tools" .docker-26.XXXXXX)
  trap 'rm -rf "$scratch"' EXIT
  fetch
fi
echo "$folder"
