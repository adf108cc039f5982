# shellcheck shell=bash source-path=SCRIPTDIR
# Sourced: where things are, and settings with which podman and buildah work on any machine.
#
#   SEATRIAL_CACHE            everything built or downloaded, and the clusters' data (default ~/.cache/seatrial)
#   $SEATRIAL_CACHE/bin       kind, kubectl, helm for an ordinary shell (links)
#   $SEATRIAL_CACHE/built     one folder a program and key
#   $SEATRIAL_CACHE/containers  image store shared by the node image and the project's images
#   $SEATRIAL_CACHE/clusters  one folder a running cluster
#
# Callers get CONTAINERS_STORAGE_CONF, CONTAINERS_CONF, STORAGE_DRIVER and BUILDAH_ISOLATION exported.

CLUSTER_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export SEATRIAL_CACHE=${SEATRIAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/seatrial}
SEATRIAL_BIN=$SEATRIAL_CACHE/bin
CONTAINERS=$SEATRIAL_CACHE/containers
export CLUSTER_SOURCE SEATRIAL_BIN

# write_if_changed FILE: stdin becomes FILE's content; the file is left alone when it already says so
write_if_changed() {
  local text
  text=$(cat)
  [ -f "$1" ] && [ "$(cat "$1")" = "$text" ] && return 0
  printf '%s\n' "$text" > "$1.$$" && mv "$1.$$" "$1"
}

mkdir -p "$CONTAINERS" "$SEATRIAL_BIN"
write_if_changed "$CONTAINERS/storage.conf" <<Y
[storage]
driver = "overlay"
graphroot = "$CONTAINERS/graph"
runroot = "$CONTAINERS/run"
Y
# runc: crun refuses a machine whose cgroup v1 controllers sit next to an empty v2 hierarchy
write_if_changed "$CONTAINERS/containers.conf" <<Y
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
volume_path = "$CONTAINERS/volumes"
static_dir = "$CONTAINERS/libpod"
tmp_dir = "$CONTAINERS/tmp"
Y
export CONTAINERS_STORAGE_CONF=$CONTAINERS/storage.conf CONTAINERS_CONF=$CONTAINERS/containers.conf
export STORAGE_DRIVER=overlay BUILDAH_ISOLATION=chroot
