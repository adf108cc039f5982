# shellcheck shell=bash
# Sourced: programs built from Go modules, each once per key of what it is made of.
#
# program NAME prints the path of the built program; ensure NAME... builds what is missing.

GO_HINT="check that 'go version' is at least 1.26 and that 'go mod download' reaches a module proxy, then run the command again: what is built already is kept"

kubernetes_flags() {
  local minor=${KUBERNETES_VERSION#v1.}
  minor=${minor%%.*}
  printf -- '-X k8s.io/component-base/version.%s ' "gitVersion=$KUBERNETES_VERSION" gitMajor=1 "gitMinor=$minor" gitTreeState=clean
  printf -- '-X k8s.io/client-go/pkg/version.gitVersion=%s' "$KUBERNETES_VERSION"
}

# recipe NAME prints "SOURCE|PACKAGE|TAGS|LDFLAGS"; SOURCE is a folder in src/ or MODULE@VERSION
recipe() {
  local containerd="github.com/containerd/containerd/v2"
  case $1 in
    kubenode | kubetool) echo "src/$1|.||$(kubernetes_flags)" ;;
    capsule | pause | podnet) echo "src/$1|.||" ;;
    containerd | containerd-shim-runc-v2 | ctr)
      echo "$containerd@$CONTAINERD_VERSION|./cmd/$1|no_btrfs,no_zfs,no_devmapper|-X $containerd/version.Version=$CONTAINERD_VERSION" ;;
    coredns) echo "github.com/coredns/coredns@$COREDNS_VERSION|.||" ;;
    local-path-provisioner) echo "github.com/rancher/local-path-provisioner@$LOCAL_PATH_PROVISIONER_VERSION|.||" ;;
    crictl) echo "sigs.k8s.io/cri-tools@$CRICTL_VERSION|./cmd/crictl||-X sigs.k8s.io/cri-tools/pkg/version.Version=$CRICTL_VERSION" ;;
    kind) echo "sigs.k8s.io/kind@$KIND_VERSION|.||" ;;
    helm) echo "helm.sh/helm/v4@$HELM_VERSION|./cmd/helm||-X helm.sh/helm/v4/internal/version.version=$HELM_VERSION" ;;
    # its tag leaves out the ways to find what to scrape: a sixth of all packages
    promtool) echo "github.com/prometheus/prometheus@$PROMTOOL_VERSION|./cmd/promtool|remove_all_sd|" ;;
    *) fail "no recipe for a program called $1" ;;
  esac
}

# key_of TEXT [FOLDER]: a short hash of the text and of the folder's files
key_of() {
  {
    echo "$1"
    [ -z "${2:-}" ] || find "$2" -type f | LC_ALL=C sort | xargs sha256sum | sed "s#$2##"
  } | sha256sum | cut -c1-12
}

program_folder() {
  local recipe source folder=""
  recipe=$(recipe "$1")
  source=${recipe%%|*}
  [[ $source != src/* ]] || folder=$CLUSTER_SOURCE/$source
  echo "$SEATRIAL_CACHE/built/$1-$(key_of "$recipe $GO_IDENTITY" "$folder")"
}

program() { echo "$(program_folder "$1")/$1"; }

ensure() {
  local name
  for name; do
    [ -x "$(program "$name")" ] || STEP_HINT=$GO_HINT step "build $name from its Go module" build "$name"
  done
}

module_folder() { # MODULE@VERSION
  go mod download "$1" && go list -m -f '{{.Dir}}' "$1"
}

# build NAME: a module of ours is built in place; another's with its own go.mod and go.sum, next to its read-only folder, and alone
# even if it is part of a workspace
build() {
  local source package tags flags scratch folder
  IFS='|' read -r source package tags flags <<<"$(recipe "$1")"
  folder=$(program_folder "$1")
  scratch=$(mktemp -d)
  local -a arguments=(-trimpath -buildvcs=false -tags "$tags" -ldflags "-s -w $flags" -o "$scratch/$1")
  if [[ $source == src/* ]]; then
    CGO_ENABLED=0 go build -C "$CLUSTER_SOURCE/$source" "${arguments[@]}" "$package"
  else
    local module
    module=$(module_folder "$source")
    install -m 644 "$module/go.mod" "$scratch/go.mod"
    install -m 644 "$module/go.sum" "$scratch/go.sum"
    GOWORK=off CGO_ENABLED=0 go build -C "$module" -mod=mod -modfile="$scratch/go.mod" "${arguments[@]}" "$package"
    rm "$scratch/go.mod" "$scratch/go.sum"
  fi
  mkdir -p "$(dirname "$folder")"
  rm -rf "$folder" "$SEATRIAL_CACHE/built/$1"-????????????
  mv "$scratch" "$folder"
}

command -v go >/dev/null || fail "Go is not installed" "install Go 1.26 or newer (https://go.dev/doc/install), then run the command again"
GO_IDENTITY=$(go env GOVERSION GOOS GOARCH | tr '\n' ' ')
