# shellcheck shell=bash
# Sourced: one cluster's own process, mount and network namespaces, held by one process (src/capsule), and podman's settings in it.
# HOME_OF_CLUSTER holds all its data; ending the process and removing that folder removes the cluster.

capsule_pid() { # prints the id of the process that holds this cluster; fails if there is none
  local pid
  pid=$(cat "$HOME_OF_CLUSTER/pid" 2>/dev/null) && [ -n "$pid" ] || return 1
  # the number may belong to another program since a reboot
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q "^capsule-$CLUSTER_NAME " || return 1
  echo "$pid"
}

in_capsule() { # COMMAND...
  local pid
  pid=$(capsule_pid) || fail "cluster $CLUSTER_NAME is not running" "run: $0 up --name $CLUSTER_NAME"
  CONTAINERS_STORAGE_CONF=$HOME_OF_CLUSTER/storage.conf CONTAINERS_CONF=$HOME_OF_CLUSTER/containers.conf \
    KIND_EXPERIMENTAL_PROVIDER=podman PATH=$SEATRIAL_BIN:$PATH \
    nsenter --target "$pid" --mount --net --pid --ipc -- env -C "$PWD" "$@"
}

capsule_settings() {
  # Without CAP_SYS_RESOURCE no limit may rise above the machine's own, and podman would ask for a million of each
  local files processes pids
  files=$(ulimit -Hn)
  [ "$files" != unlimited ] || files=1048576
  processes=$(ulimit -Hu)
  pids=$(in_capsule cat /proc/sys/kernel/pid_max)
  [ "$processes" != unlimited ] && [ "$processes" -lt "$pids" ] || processes=$pids
  write_if_changed "$HOME_OF_CLUSTER/storage.conf" <<Y
[storage]
driver = "overlay"
graphroot = "$HOME_OF_CLUSTER/graph"
runroot = "/run/containers"
[storage.options]
additionalimagestores = ["$NODE_STORE/graph"]
Y
  write_if_changed "$HOME_OF_CLUSTER/containers.conf" <<Y
[containers]
default_ulimits = ["nofile=$files:$files", "nproc=$processes:$processes"]
# a node is not one program: with podman's limit of 2048 processes it stops working at about 70 pods
pids_limit = 0
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
volume_path = "$HOME_OF_CLUSTER/volumes"
static_dir = "$HOME_OF_CLUSTER/libpod"
tmp_dir = "/run/libpod"
[network]
network_backend = "netavark"
network_config_dir = "$HOME_OF_CLUSTER/networks"
Y
}

capsule_start() {
  mkdir -p "$HOME_OF_CLUSTER"
  [ -d /lib/modules ] || { mkdir /lib/modules && touch "$HOME_OF_CLUSTER/made-lib-modules"; } # kind mounts it into nodes
  (exec -a "capsule-$CLUSTER_NAME" "$(program capsule)" -dial "127.0.0.1:$API_PORT_INSIDE" -pid "$HOME_OF_CLUSTER/pid" -address "$HOME_OF_CLUSTER/address") \
    >"$HOME_OF_CLUSTER/capsule.log" 2>&1 || { cat "$HOME_OF_CLUSTER/capsule.log"; return 1; }
  capsule_settings
}

# capsule_remove: ends every process of the cluster and removes its data; succeeds also when nothing or only a part is there
capsule_remove() {
  local pid container
  if pid=$(capsule_pid); then
    kill -KILL "$pid"
    # the kernel ends it last, after every other process of the cluster; from then on it may stay as a zombie for a while
    while grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$pid/status"; do sleep 0.05; done
  fi
  for container in "$HOME_OF_CLUSTER"/graph/overlay-containers/*/; do
    [ -d "$container" ] && remove_control_groups "$(basename "$container")"
  done
  [ ! -e "$HOME_OF_CLUSTER/made-lib-modules" ] || rmdir --ignore-fail-on-non-empty /lib/modules
  if grep -q " $HOME_OF_CLUSTER/" /proc/mounts; then
    fail "something is still mounted below $HOME_OF_CLUSTER" "unmount what 'grep $HOME_OF_CLUSTER /proc/mounts' shows, then try again"
  fi
  rm -rf "$HOME_OF_CLUSTER"
}

# podman's groups of a container outlive its processes, which may be ending at this moment
remove_control_groups() { # CONTAINER ID
  local group deadline=$((SECONDS + 20))
  find /sys/fs/cgroup -mindepth 2 -maxdepth 4 -type d -path "*/libpod_parent/*$1*" -prune -print0 2>/dev/null |
    while IFS= read -r -d '' group; do
      until find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; do
        [ -d "$group" ] || break
        [ $SECONDS -lt $deadline ] || fail "control group $group still has processes" "see which: cat $group/cgroup.procs; end them, then try again"
        sleep 0.1
      done
    done
  find /sys/fs/cgroup -mindepth 1 -maxdepth 3 -type d -name libpod_parent -exec rmdir --ignore-fail-on-non-empty {} + 2>/dev/null || true
}
