# shellcheck shell=bash
# Sourced: the two ways to a kind cluster (and the user's own), behind the same few functions.
#
#   published   Docker or Podman, and a registry: kind with its published node image
#   built       neither: podman in a capsule with a node image made here
#   current     the user's own context

# the one published for the kind release of src/go.mod
KIND_NODE_IMAGE=kindest/node:v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed

# choose_way prints the way; SEATRIAL_CLUSTER=kind|built|current forces one
choose_way() {
  case ${SEATRIAL_CLUSTER:-auto} in
    kind) echo published ;;
    built | current) echo "$SEATRIAL_CLUSTER" ;;
    auto)
      if [ -s "$HOME_OF_CLUSTER/way" ]; then
        cat "$HOME_OF_CLUSTER/way"
      elif docker info >/dev/null 2>&1 && { docker image inspect "$KIND_NODE_IMAGE" >/dev/null 2>&1 || reaches_registry; }; then
        echo published
      elif [ ! -e "$SEATRIAL_CACHE/podman-is-ours" ] && command -v podman >/dev/null && reaches_registry; then
        echo published
      else
        echo built
      fi
      ;;
    *) fail "SEATRIAL_CLUSTER=$SEATRIAL_CLUSTER is not known" "use auto, kind, built or current" ;;
  esac
}

# any answer will do: it asks for a login before it says more
reaches_registry() { curl --silent --output /dev/null --max-time 5 https://registry-1.docker.io/v2/; }

# engine prints the program that runs the nodes
engine() {
  if [ "$WAY" = published ] && docker info >/dev/null 2>&1; then echo docker; else echo podman; fi
}

# kubeconfig_file prints where this cluster's context is written: the user's own file only if KUBECONFIG names one
kubeconfig_file() {
  local first=${KUBECONFIG:-}
  first=${first%%:*}
  if [ "$WAY" = current ]; then
    echo "${KUBECONFIG:-$HOME/.kube/config}"
  elif [ -z "$first" ] || [[ $first == "$SEATRIAL_CACHE"/* ]]; then
    echo "$HOME_OF_CLUSTER/kubeconfig"
  else
    echo "$first"
  fi
}

k() { kubectl --kubeconfig "$(kubeconfig_file)" --context "kind-$CLUSTER_NAME" "$@"; }

# kind_config NODES [API SERVER'S PORT] [FOLDER OF KUBEADM PATCHES]: prints kind-config.yaml with these. With more nodes than one
# all take pods; the taint of a lone control plane kind removes itself, and fails when there is none.
kind_config() {
  local extra
  extra=$(for ((i = 1; i < $1; i++)); do printf -- '- role: worker\\n'; done)
  awk -v extra="$extra" -v port="${2:-}" -v patches="${3:-}" '
    /^kubeadmConfigPatches:/ {printf extra}
    patches {sub("tests/cluster/kubeadm-patches", patches)}
    {print}
    /kind: InitConfiguration/ && extra {print "  nodeRegistration: {taints: []}"}
    /^networking:/ && port {print "  apiServerPort: " port}' kind-config.yaml
}

published_kind() { KUBECONFIG=$(kubeconfig_file) kind "$@"; }

published_up() { # NODES
  mkdir -p "$HOME_OF_CLUSTER"
  ! kind get clusters 2>/dev/null | grep -qx "$CLUSTER_NAME" || step "remove the remains of cluster $CLUSTER_NAME" published_kind delete cluster --name "$CLUSTER_NAME"
  rm -rf "$HOME_OF_CLUSTER/loaded"
  kind_config "$1" >"$HOME_OF_CLUSTER/kind.yaml"
  STEP_HINT="see whether '$(engine) pull $KIND_NODE_IMAGE' works; without a registry, SEATRIAL_CLUSTER=built makes the node here" \
    step "kind cluster $CLUSTER_NAME with $KIND_NODE_IMAGE" published_create
}

published_create() {
  published_kind create cluster --name "$CLUSTER_NAME" --image "$KIND_NODE_IMAGE" --config "$HOME_OF_CLUSTER/kind.yaml" --wait 120s
}

published_down() {
  published_kind delete cluster --name "$CLUSTER_NAME"
  rm -rf "$HOME_OF_CLUSTER"
}

published_exec() { "$@"; }

published_load() { kind load image-archive "$1" --name "$CLUSTER_NAME"; }

published_has_nodes() { kind get nodes --name "$CLUSTER_NAME" 2>/dev/null | grep -q .; }

API_PORT_INSIDE=6443

built_up() { # NODES
  [ "$(id -u)" = 0 ] || fail "without Docker and a registry the cluster's nodes need root" "run: sudo $0 up"
  [ ! -e "$HOME_OF_CLUSTER" ] || step "remove the remains of cluster $CLUSTER_NAME" capsule_remove
  ensure capsule
  ensure_node_image
  step "network and processes of their own" capsule_start
  node_image >"$HOME_OF_CLUSTER/image"
  cp -r "$CLUSTER_SOURCE/kubeadm-patches" "$HOME_OF_CLUSTER/patches"
  cp "$CLUSTER_SOURCE/src/node/corednsdeployment1+strategic.yaml" "$HOME_OF_CLUSTER/patches/"
  kind_config "$1" $API_PORT_INSIDE "$HOME_OF_CLUSTER/patches" >"$HOME_OF_CLUSTER/kind.yaml"
  STEP_HINT="look inside with '$0 exec podman exec $CLUSTER_NAME-control-plane journalctl -u kubelet'; '$0 up' starts afresh" \
    step "kind cluster $CLUSTER_NAME with the node image made here" built_create
  built_kubeconfig
}

built_create() {
  in_capsule kind create cluster --name "$CLUSTER_NAME" --image "$(node_image)" --config "$HOME_OF_CLUSTER/kind.yaml" \
    --kubeconfig "$HOME_OF_CLUSTER/kubeconfig" --wait 120s --retain -v 1
}

# kind's kubeconfig names the port inside; from the host it is the capsule's
built_kubeconfig() {
  local own=$HOME_OF_CLUSTER/kubeconfig file
  file=$(kubeconfig_file)
  kubectl --kubeconfig "$own" config set-cluster "kind-$CLUSTER_NAME" --server="https://$(cat "$HOME_OF_CLUSTER/address")" >/dev/null
  [ "$file" = "$own" ] || {
    mkdir -p "$(dirname "$file")"
    KUBECONFIG=$own:$file kubectl config view --flatten >"$file.seatrial"
    chmod 600 "$file.seatrial"
    mv "$file.seatrial" "$file"
  }
}

built_down() {
  local file name=kind-$CLUSTER_NAME
  file=$(kubeconfig_file)
  if [ "$file" != "$HOME_OF_CLUSTER/kubeconfig" ] && kubectl --kubeconfig "$file" config get-contexts "$name" >/dev/null 2>&1; then
    [ "$(kubectl --kubeconfig "$file" config current-context 2>/dev/null)" != "$name" ] || kubectl --kubeconfig "$file" config unset current-context
    kubectl --kubeconfig "$file" config delete-context "$name"
    kubectl --kubeconfig "$file" config delete-cluster "$name"
    kubectl --kubeconfig "$file" config delete-user "$name"
  fi
  capsule_remove
}

built_exec() { in_capsule "$@"; }

# what `kind load` does, without the detour through podman that makes it take twice as long
built_load() { # ARCHIVE
  local node pid
  local -a imports=()
  for node in $(in_capsule podman ps --format '{{.Names}}'); do
    pid=$(in_capsule podman inspect "$node" --format '{{.State.Pid}}')
    in_capsule nsenter --target "$pid" --mount -- /usr/local/bin/ctr --namespace k8s.io images import \
      --all-platforms --digests --snapshotter=overlayfs - <"$1" &
    imports+=($!)
  done
  for pid in "${imports[@]}"; do wait "$pid"; done
}

# each node's container has a process of podman's beside it
built_has_nodes() { capsule_pid >/dev/null && in_capsule pgrep -x conmon >/dev/null; }
