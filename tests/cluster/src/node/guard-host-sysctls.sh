#!/bin/bash
# Called by the node's entrypoint before systemd starts. A node is privileged, so its /proc/sys is the host's: systemd and the
# kubelet would change the whole machine. Here all but the node's own network settings become read-only, and the few values
# that the kubelet insists on are shown to it from files.
set -euo pipefail

shown=/kind/sysctls
mkdir -p $shown
mount --bind /proc/sys /proc/sys
mount --bind /proc/sys/net /proc/sys/net
while read -r name value; do
  echo "$value" > "$shown/$name"
  mount --bind "$shown/$name" "/proc/sys/${name//.//}"
done <<'VALUES'
vm.overcommit_memory 1
vm.panic_on_oom 0
kernel.panic 10
kernel.panic_on_oops 1
kernel.keys.root_maxkeys 1000000
kernel.keys.root_maxbytes 25000000
VALUES
mount -o remount,bind,ro /proc/sys
