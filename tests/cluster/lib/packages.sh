# shellcheck shell=bash
# Sourced: Debian packages that the host needs, installed when missing.

# what is looked for : the package that has it
BUILT_NEEDS=(podman:podman runc:runc conmon:conmon mmdebstrap:mmdebstrap nft:nftables iptables:iptables ip:iproute2 pgrep:procps jq:jq curl:curl
  /usr/lib/podman/netavark:netavark /usr/lib/podman/aardvark-dns:aardvark-dns
  /usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring)
KIND_NEEDS=(jq:jq curl:curl)

packages_missing() { # NEEDS...: prints the packages
  local need
  for need; do
    command -v "${need%%:*}" >/dev/null || [ -e "${need%%:*}" ] || echo "${need##*:}"
  done
}

ensure_packages() { # NEEDS...
  local missing
  missing=$(packages_missing "$@" | sort -u | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null ||
    fail "missing on this machine: $missing" "install them with this system's package manager; or install Docker, with which nothing else is needed"
  [ "$(id -u)" = 0 ] || fail "missing on this machine: $missing" "run: sudo apt-get install --no-install-recommends $missing"
  # remembered, because podman from here says nothing about whether this machine reaches a registry
  [[ " $missing " != *" podman "* ]] || touch "$SEATRIAL_CACHE/podman-is-ours"
  STEP_HINT=$DEBIAN_HINT step "Debian packages: ${missing% }" install_packages "$missing"
}

install_packages() {
  apt-get update
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $1
}
