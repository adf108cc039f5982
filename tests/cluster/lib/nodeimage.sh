# shellcheck shell=bash
# Sourced: the kind node image, made here from Debian packages, kind's own base files and programs built from Go modules.
# For machines that reach no container registry; elsewhere kind's published image is used.

NODE_PROGRAMS=(kubenode kubetool containerd containerd-shim-runc-v2 ctr coredns local-path-provisioner podnet pause)
NODE_DEBIAN_SUITE=bookworm
# what kind's images/base/Dockerfile installs (less nfs, iscsi, fuse), runc, the CNI plugins, and a shell for the storage helper
NODE_PACKAGES=systemd,systemd-sysv,dbus,conntrack,iptables,nftables,iproute2,ethtool,util-linux,mount,kmod,libseccomp2,pigz,e2fsprogs
NODE_PACKAGES+=,bash,ca-certificates,curl,jq,procps,runc,containernetworking-plugins,busybox-static

DEBIAN_HINT="check that 'apt-get update' works on this machine, then run the command again"

node_image() { # prints the name of the image; its tag is a hash of all that goes into it
  local text
  text=$(for p in "${NODE_PROGRAMS[@]}"; do program_folder "$p"; done; echo "$(version_of sigs.k8s.io/kind) $NODE_DEBIAN_SUITE"; cat "$CLUSTER_SOURCE/lib/nodeimage.sh")
  echo "localhost/seatrial-node:$(key_of "$text" "$CLUSTER_SOURCE/src/node")"
}

# the node image has a store of its own, so that clearing the project's images never takes it from under a running cluster
NODE_STORE=$SEATRIAL_CACHE/node
node_store_podman() { podman --root "$NODE_STORE/graph" --runroot "$NODE_STORE/run" "$@"; }

ensure_node_image() {
  local image
  image=$(node_image)
  ! node_store_podman image exists "$image" 2>>"$LOG_FOLDER/podman.log" || return 0
  ensure "${NODE_PROGRAMS[@]}"
  NODE_WORK=$SEATRIAL_CACHE/node-work
  NODE_ROOT=$NODE_WORK/root
  KIND_SOURCE=$(module_folder sigs.k8s.io/kind)
  DEBIAN_TAR=$SEATRIAL_CACHE/built/debian-$(key_of "$NODE_DEBIAN_SUITE $NODE_PACKAGES").tar
  rm -rf "$NODE_WORK"
  mkdir -p "$NODE_ROOT"
  [ -e "$DEBIAN_TAR" ] || STEP_HINT=$DEBIAN_HINT step "node image: Debian packages" node_debian
  step "node image: root file system" node_root
  step "node image: container images" node_images
  step "node image: image store" node_store
  step "node image: import" node_import "$image"
  rm -rf "$NODE_WORK"
}

node_debian() {
  rm -f "$SEATRIAL_CACHE"/built/debian-*.tar
  mmdebstrap --format=tar --variant=minbase --include="$NODE_PACKAGES" --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$NODE_DEBIAN_SUITE" "$DEBIAN_TAR.part"
  mv "$DEBIAN_TAR.part" "$DEBIAN_TAR"
}

# The steps of kind's images/base/Dockerfile, then our programs, settings and manifests
node_root() {
  local root=$NODE_ROOT files=$KIND_SOURCE/images/base/files folder file
  tar -C "$root" --exclude='./dev/*' -xpf "$DEBIAN_TAR"

  mkdir -p "$root/kind/manifests" "$root/etc/kubernetes/manifests" "$root/opt/cni/bin"
  cp -r --no-preserve=mode,ownership "$files/kind" "$root/"
  chmod 755 "$root/kind" "$root/kind/bin" "$root"/kind/bin/*
  install -m 755 "$files"/usr/local/bin/* "$root/usr/local/bin/"
  for folder in . containerd default sysctl.d systemd/system systemd/system/kubelet.service.d; do
    mkdir -p "$root/etc/$folder"
    for file in "$files/etc/$folder"/*; do
      [ ! -f "$file" ] || install -m 644 "$file" "$root/etc/$folder/"
    done
  done
  rm -f "$root"/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service "$root"/lib/systemd/system/multi-user.target.wants/* \
    "$root"/etc/systemd/system/*.wants/* "$root"/lib/systemd/system/local-fs.target.wants/* "$root"/lib/systemd/system/sockets.target.wants/*udev* \
    "$root"/lib/systemd/system/sockets.target.wants/*initctl* "$root"/lib/systemd/system/basic.target.wants/*
  echo "ReadKMsg=no" >>"$root/etc/systemd/journald.conf"
  ln -sf /usr/lib/systemd/systemd "$root/sbin/init"
  chroot "$root" systemctl enable kubelet.service containerd.service undo-mount-hacks.service
  chroot "$root" systemctl mask systemd-binfmt.service

  install -m 755 "$(program containerd)" "$(program containerd-shim-runc-v2)" "$(program ctr)" "$root/usr/local/bin/"
  install -m 755 "$(program kubenode)" "$(program kubetool)" "$root/usr/bin/"
  ln -s kubenode "$root/usr/bin/kubelet"
  ln -s kubetool "$root/usr/bin/kubeadm"
  ln -s kubetool "$root/usr/bin/kubectl"
  mv "$root"/usr/lib/cni/{host-local,loopback,ptp,portmap} "$root/opt/cni/bin/"
  rm -r "$root/usr/lib/cni"
  install -m 755 "$(program podnet)" "$root/opt/cni/bin/podnet"
  echo -n "$KUBERNETES_VERSION" >"$root/kind/version"

  # less kind's hook that hides the hardware's name from every container: a shell and jq for each cost more than they are worth here
  "$(program ctr)" oci spec | jq 'del(.process.rlimits)' >"$root/etc/containerd/cri-base.json"
  # a machine may lack CAP_SYS_RESOURCE, and then no process may lower its OOM score
  replace "$root/etc/containerd/config.toml" 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/'
  # Debian's own sysctl files hold host-wide settings; kind's hold the node's network
  rm -f "$root"/usr/lib/sysctl.d/*
  install -m 755 "$CLUSTER_SOURCE/src/node/guard-host-sysctls.sh" "$root/kind/bin/"
  replace "$root/usr/local/bin/entrypoint" "s#^  log_info 'making mounts shared'#  /kind/bin/guard-host-sysctls.sh\n&#"

  install -m 644 "$CLUSTER_SOURCE/src/node/20-icmp.conf" "$root/etc/sysctl.d/"

  go_constant "$KIND_SOURCE/pkg/build/nodeimage/const_storage.go" defaultStorageManifest >"$root/kind/manifests/default-storage.yaml"
  cp "$CLUSTER_SOURCE/src/podnet/daemonset.yaml" "$root/kind/manifests/default-cni.yaml"
}

# replace FILE EXPRESSION: sed in place, which must change something: upstream may have moved
replace() {
  sed -i.before "$2" "$1"
  ! cmp -s "$1" "$1.before" || { echo "nothing to replace in $1: $2"; return 1; }
  rm "$1.before"
}

# go_constant FILE NAME: the text of a constant in Go source, with the constants that it is put together from
go_constant() {
  local text
  text=$(awk -v start="const $2 = \`" '$0 == start {inside = 1; next} inside && /^`$/ {exit} inside' "$1")
  while [[ $text =~ \`\ \+\ ([A-Za-z]+)\ \+\ \` ]]; do
    local name=${BASH_REMATCH[1]} value
    value=$(sed -n "s/^const $name = \"\(.*\)\"$/\1/p" "$1")
    text=${text//"\` + $name + \`"/$value}
  done
  printf '%s\n' "$text"
}

# The images of Kubernetes' own parts under the names that kubeadm and kind ask for, as one docker archive in $NODE_WORK/archive
node_images() {
  local images=$NODE_WORK/images root=$NODE_ROOT names storage component applet
  mkdir -p "$images" "$NODE_WORK/archive"
  ln -s "$(program kubetool)" "$NODE_WORK/kubeadm"
  names=$("$NODE_WORK/kubeadm" config images list --kubernetes-version "$KUBERNETES_VERSION")
  storage=$KIND_SOURCE/pkg/build/nodeimage/const_storage.go

  # one image for etcd, kube-proxy and the control plane: one program, with what kube-proxy calls
  local kube=$images/kube
  mkdir -p "$kube"/{usr/local/bin,usr/sbin,usr/lib/x86_64-linux-gnu,tmp,run,etc}
  ln "$root/usr/bin/kubenode" "$kube/usr/local/bin/kubenode"
  for component in kube-apiserver kube-controller-manager kube-scheduler kube-proxy etcd; do ln -s kubenode "$kube/usr/local/bin/$component"; done
  copy_with_libraries "$kube" /usr/sbin/nft /usr/sbin/xtables-nft-multi /usr/sbin/conntrack /sbin/sysctl /usr/lib/x86_64-linux-gnu/xtables/libxt_statistic.so
  cp -r "$root/usr/lib/x86_64-linux-gnu/xtables" "$kube/usr/lib/x86_64-linux-gnu/"
  for applet in {ip,ip6}tables{,-save,-restore}; do ln -s xtables-nft-multi "$kube/usr/sbin/$applet"; done
  # kube-proxy recognizes the elements of its maps by the names of protocols that nft lists; by numbers it deletes its own
  printf '%s\n' 'tcp 6 TCP' 'udp 17 UDP' 'sctp 132 SCTP' >"$kube/etc/protocols"
  # shellcheck disable=SC2046
  image "$kube" '{"Env": ["PATH=/usr/local/bin:/usr/sbin:/sbin:/usr/bin:/bin"]}' $(grep -v -e coredns -e pause <<<"$names")

  simple_image coredns '{"Entrypoint": ["/bin/coredns"]}' "$(grep coredns <<<"$names")"
  simple_image pause '{"Entrypoint": ["/bin/pause"], "User": "65535:65535"}' "$(sed -n 's/.*sandbox_image = "\(.*\)"/\1/p' "$root/etc/containerd/config.toml")"
  simple_image local-path-provisioner '{"Env": ["PATH=/bin"]}' "$(sed -n 's/^const storageProvisionerImage = "\(.*\)"/\1/p' "$storage")"

  local helper=$images/helper
  mkdir -p "$helper/bin"
  cp "$root/bin/busybox" "$helper/bin/"
  for applet in sh mkdir rm; do ln -s busybox "$helper/bin/$applet"; done
  image "$helper" '{"Env": ["PATH=/bin"]}' "$(sed -n 's/^const storageHelperImage = "\(.*\)"/\1/p' "$storage")"

  mkdir -p "$images/podnet"/{bin,tmp}
  cp "$(program podnet)" "$images/podnet/bin/"
  copy_with_libraries "$images/podnet" /usr/sbin/nft /bin/ip
  image "$images/podnet" '{"Entrypoint": ["/bin/podnet"], "Env": ["PATH=/bin:/usr/sbin"]}' localhost/podnet:1

  jq -s . "$NODE_WORK"/archive/*.manifest >"$NODE_WORK/archive/manifest.json"
}

simple_image() { # PROGRAM CONFIG NAME
  mkdir -p "$NODE_WORK/images/$1/bin"
  cp "$(program "$1")" "$NODE_WORK/images/$1/bin/"
  image "$NODE_WORK/images/$1" "$2" "$3"
}

# copy_with_libraries FOLDER FILE...: the node's files and the shared libraries they need
copy_with_libraries() {
  local to=$1 file library
  shift
  for file; do
    mkdir -p "$to$(dirname "$file")"
    cp -L "$NODE_ROOT$file" "$to$file"
    for library in $(chroot "$NODE_ROOT" ldd "$file" | grep -o '/[^ ]*'); do
      mkdir -p "$to$(dirname "$library")"
      cp -nL "$NODE_ROOT$library" "$to$library"
    done
  done
}

# image FOLDER CONFIG NAME...: the folder becomes the one layer of an image in $NODE_WORK/archive
image() {
  local folder=$1 config=$2 archive=$NODE_WORK/archive name layer
  shift 2
  name=$(basename "$folder")
  tar -C "$folder" --numeric-owner --owner=0 --group=0 -cf "$archive/$name.tar" .
  layer=$(sha256sum <"$archive/$name.tar" | cut -d' ' -f1)
  jq -n --argjson config "$config" --arg layer "sha256:$layer" --arg arch "$(go env GOARCH)" \
    '{architecture: $arch, os: "linux", config: $config, rootfs: {type: "layers", diff_ids: [$layer]}}' >"$archive/$name.json"
  jq -n --arg name "$name" '{Config: "\($name).json", Layers: ["\($name).tar"], RepoTags: $ARGS.positional}' --args "$@" >"$archive/$name.manifest"
}

# Fills the node's containerd store, with a containerd that serves nothing else
node_store() {
  local socket=$NODE_WORK/containerd.sock containerd status=0
  cat >"$NODE_WORK/containerd.toml" <<Y
version = 3
root = "$NODE_ROOT/var/lib/containerd"
state = "$NODE_WORK/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "$socket"
Y
  "$(program containerd)" -c "$NODE_WORK/containerd.toml" &
  containerd=$!
  until "$(program ctr)" -a "$socket" version >/dev/null 2>&1; do
    kill -0 $containerd || { echo "containerd ended"; return 1; }
    sleep 0.1
  done
  tar -C "$NODE_WORK/archive" -c . |
    "$(program ctr)" -a "$socket" -n k8s.io images import --label=io.cri-containerd.pinned=pinned --all-platforms --no-unpack - || status=$?
  kill $containerd
  wait $containerd || true
  return $status
}

node_import() { # NAME
  local old
  tar -C "$NODE_ROOT" --numeric-owner -c . |
    node_store_podman import -c 'ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]' -c 'ENV container=docker' -c 'STOPSIGNAL SIGRTMIN+3' - "$1"
  for old in $(node_store_podman images --format '{{.Repository}}:{{.Tag}}' localhost/seatrial-node); do
    # a running cluster's nodes have their root on it
    [ "$old" = "$1" ] || grep -qsx "$old" "$SEATRIAL_CACHE"/clusters/*/image || node_store_podman rmi "$old"
  done
}
