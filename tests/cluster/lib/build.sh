# shellcheck shell=bash
# Sourced: the programs of src/go.mod, each built once per key of what it is made of.
#
# program NAME prints the path of the built program; ensure NAME... builds what is missing, in one go.

GO_HINT="check that 'go version' is at least 1.26 and that 'go mod download' reaches a module proxy, then run the command again: what is compiled already is kept"

command -v go >/dev/null || fail "Go is not installed" "install Go 1.26 or newer (https://go.dev/doc/install), then run the command again"
GO_IDENTITY=$(go env GOVERSION GOOS GOARCH | tr '\n' ' ')

# version_of MODULE: what src/go.mod says
version_of() { awk -v module="$1" '$1 == module && $2 ~ /^v/ {print $2; exit}' "$CLUSTER_SOURCE/src/go.mod"; }

# module_folder MODULE: where its files are, downloaded first
module_folder() { go mod download -C "$CLUSTER_SOURCE/src" "$1" && go list -C "$CLUSTER_SOURCE/src" -m -f '{{.Dir}}' "$1"; }

KUBERNETES_VERSION=$(version_of k8s.io/kubernetes)

package_of() {
  case $1 in
    containerd | containerd-shim-runc-v2 | ctr) echo "github.com/containerd/containerd/v2/cmd/$1" ;;
    local-path-provisioner) echo github.com/rancher/local-path-provisioner ;;
    kind) echo sigs.k8s.io/kind ;;
    helm) echo helm.sh/helm/v4/cmd/helm ;;
    promtool) echo github.com/prometheus/prometheus/cmd/promtool ;;
    *)
      [ -f "$CLUSTER_SOURCE/src/$1/main.go" ] || fail "no recipe for a program called $1"
      echo "./$1"
      ;;
  esac
}

# The same for all programs, so that they share what is compiled. Each takes of the versions what it knows. promtool's tag leaves out the
# ways to find what to scrape: a sixth of all its packages.
GO_TAGS=no_btrfs,no_zfs,no_devmapper,remove_all_sd
KUBERNETES_MINOR=${KUBERNETES_VERSION#v1.}
GO_LINKER_FLAGS="-s -w$(printf -- ' -X %s' \
  "k8s.io/component-base/version.gitVersion=$KUBERNETES_VERSION" "k8s.io/component-base/version.gitMajor=1" \
  "k8s.io/component-base/version.gitMinor=${KUBERNETES_MINOR%%.*}" "k8s.io/component-base/version.gitTreeState=clean" \
  "k8s.io/client-go/pkg/version.gitVersion=$KUBERNETES_VERSION" \
  "github.com/containerd/containerd/v2/version.Version=$(version_of github.com/containerd/containerd/v2)" \
  "helm.sh/helm/v4/internal/version.version=$(version_of helm.sh/helm/v4)")"

# key_of TEXT [PATH...]: a short hash of the text and of the files that are there
key_of() {
  local text=$1
  shift
  {
    echo "$text"
    [ $# = 0 ] || find "$@" -type f | LC_ALL=C sort | xargs sha256sum | sed "s#$CLUSTER_SOURCE##"
  } | sha256sum | cut -c1-12
}

program_folder() {
  local package
  local -a made_of=("$CLUSTER_SOURCE"/src/go.{mod,sum})
  package=$(package_of "$1")
  [[ $package != ./* ]] || made_of+=("$CLUSTER_SOURCE/src/$1")
  echo "$SEATRIAL_CACHE/built/$1-$(key_of "$package $GO_IDENTITY $GO_TAGS $GO_LINKER_FLAGS" "${made_of[@]}")"
}

program() { echo "$(program_folder "$1")/$1"; }

ensure() {
  local name
  local -a missing=()
  for name; do
    if [ -x "$(program "$name")" ]; then continue; fi
    # alone: it calls the logging module of the others by a name with a capital letter, which Go refuses in one build
    if [ "$name" = local-path-provisioner ]; then STEP_HINT=$GO_HINT step "build $name" build "$name"; else missing+=("$name"); fi
  done
  [ ${#missing[@]} = 0 ] || STEP_HINT=$GO_HINT step "build ${missing[*]}" build "${missing[@]}"
}

# build NAME...: one command, since the linking of one and the compiling of others go on side by side
build() {
  local scratch name
  local -a packages=()
  for name; do packages+=("$(package_of "$name")"); done
  scratch=$(mktemp -d)
  GOWORK=off CGO_ENABLED=0 go build -C "$CLUSTER_SOURCE/src" -trimpath -buildvcs=false -tags "$GO_TAGS" -ldflags "$GO_LINKER_FLAGS" -o "$scratch/" "${packages[@]}"
  for name; do
    rm -rf "$SEATRIAL_CACHE/built/$name"-????????????
    install -D -m 755 "$scratch/$name" "$(program "$name")"
  done
  rm -r "$scratch"
}
