# Two commands matter: `make demo` (see it work) and `make test` (check everything). `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
PY := .venv/bin/python
CLUSTER := tests/cluster/cluster
# as lib/build.sh and the Dockerfiles call it, so that Go's own library is compiled once for all
GO := CGO_ENABLED=0 go
IN_CLUSTER := eval "$$($(CLUSTER) env)";

.PHONY: help demo test check unit e2e fuzz fuzz-launcher cluster cluster-down images install uninstall generate lock bench fmt

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# The lock file is whole: pip has nothing to resolve (`--no-deps`), so a release of tomorrow changes nothing.
# Until all of it is installed the folder is older than the lock file: what failed half-way is done again.
.venv: requirements-dev.lock
	@echo "== Python environment (.venv)"
	python3 -m venv .venv
	touch -d @0 .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(PY) -m pip check --disable-pip-version-check
	touch .venv

demo: install ## create a cluster unless one exists, build images, install the chart, run the quickstart
	@$(IN_CLUSTER)
	echo "== the quickstart: examples/quickstart/quickstart.yaml"
	.venv/bin/seatrial run examples/quickstart/quickstart.yaml --replace --wait

cluster: .venv ## create a kind cluster (or use the current one: SEATRIAL_CLUSTER=current)
	@$(CLUSTER) up

cluster-down: ## delete the cluster; caches stay
	@$(CLUSTER) down

# Both take minutes the first time, so they go on at the same time.
images: .venv ## build what changed and load it into the cluster
	@echo "== cluster and images"
	$(CLUSTER) packages
	archives=$$(mktemp)
	tests/cluster/images/build >$$archives & build=$$!
	trap 'rm $$archives; kill $$build 2>/dev/null || true' EXIT
	$(CLUSTER) up
	wait $$build || exit
	$(CLUSTER) load $$(cat $$archives)

# The tag stays the same while one works on the code: the pods are replaced when the image's contents have changed.
# The definition of the resource may be there from an installation before it belonged to the release.
install: images ## install the chart from this checkout
	@$(IN_CLUSTER)
	echo "== chart"
	build=$$(basename "$$(tests/cluster/images/build operator 2>/dev/null)" .tar)
	helm upgrade --install seatrial charts/seatrial --namespace seatrial-system --create-namespace --take-ownership \
	  --set-string "operator.podAnnotations.seatrial\.dev/build=$$build" --set-string "archive.podAnnotations.seatrial\.dev/build=$$build" \
	  --hide-notes --wait --timeout 3m

uninstall: ## remove the chart; the CRDs stay
	@$(IN_CLUSTER)
	helm uninstall seatrial --namespace seatrial-system --wait

test: ## everything: linters, types, generated files, unit, API and end-to-end tests; what fails keeps nothing from running
	@$(MAKE) --no-print-directory --keep-going check unit e2e

check: .venv ## run linters, types, import rules, generated files
	@echo "== ruff, mypy, import rules, generated files, shell scripts"
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PY) -m seatrial.generate --check
	$(PY) -m seatrial.metrics --check
	.venv/bin/shellcheck -x $$(git ls-files -z | xargs -0 awk 'FNR == 1 && /^#!.*(bash|\/sh)/ { print FILENAME }')

unit: .venv ## run unit and API tests, without a cluster
	@echo "== unit and API tests"
	helm=$$($(CLUSTER) program helm)
	export PATH="$$(dirname "$$helm"):$$PATH"
	$(GO) -C runner/launch vet -trimpath ./...
	$(GO) -C runner/launch test -trimpath ./...
	$(MAKE) --no-print-directory fuzz-launcher FUZZ_TIME=2s
	$(PY) -m pytest tests/unit tests/api tests/pages tests/cluster/images/test_builder.py tests/cluster/test_cluster_command.py -m "not cluster and not apiserver" -n 2 --dist worksteal

FUZZ_TIME := 60s
fuzz-launcher: ## fuzz the launcher's parsers; FUZZ_TIME=60s for each
	@cd runner/launch
	for target in $$(grep -oh '^func Fuzz[A-Za-z]*' *_test.go | cut -c6-); do
	  found=$$($(GO) test -trimpath -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZ_TIME) . 2>&1) || { echo "$$found"; exit 1; }
	done

e2e: install ## end-to-end tests on the real cluster; a group that fails keeps none of the others from running
	@failed=()
	group() { echo "== $$1"; "$${@:2}" || failed+=("$$1"); }
	SEATRIAL_KUBENODE=$$($(CLUSTER) program kubenode)
	SEATRIAL_MINIO_IMAGE=$$(tests/cluster/images/build minio)
	export SEATRIAL_KUBENODE SEATRIAL_MINIO_IMAGE
	group "a kube-apiserver alone: schema, rights, policies, manifests" $(PY) -m pytest tests/api -m apiserver
	$(IN_CLUSTER)
	group "end-to-end tests: runs side by side" $(PY) -m pytest tests/e2e -m "not disruptive and not slow" -n 4
	group "end-to-end tests: one after the other, since they break things" \
	  $(PY) -m pytest tests/e2e tests/cluster -m "cluster and (disruptive or slow)"
	group "the archive on a real MinIO, out of the image" $(PY) -m pytest tests/unit/archive -k minio
	group "the test cluster's network" env $(GO) -C tests/cluster/src test -trimpath ./podnet
	group "images and cluster" $(PY) -m pytest tests/cluster -m "cluster and not disruptive and not slow"
	for each in "$${failed[@]}"; do echo "FAILED: $$each"; done
	[ $${#failed[@]} = 0 ]

fuzz: .venv fuzz-launcher ## try thousands of random specs, and documents that pods write (SEATRIAL_FUZZ: how many)
	@export SEATRIAL_FUZZ=$${SEATRIAL_FUZZ:-2000} SEATRIAL_KUBENODE=$$($(CLUSTER) program kubenode)
	$(PY) -m pytest tests/unit/specs tests/unit/protocol/test_fuzz.py tests/api/test_specs.py --hypothesis-show-statistics

generate: .venv ## write the generated files
	$(PY) -m seatrial.generate
	$(PY) -m seatrial.metrics

lock: .venv ## write the lock files from pyproject.toml
	lock="$(PY) -m uv pip compile -q pyproject.toml --generate-hashes --no-annotate --no-header --python-version 3.11 --universal"
	$$lock -o requirements.lock
	$$lock --group dev -o requirements-dev.lock

bench: install ## measure floor, script, run, bundle and plugin; writes bench/results.json
	@$(IN_CLUSTER)
	$(PY) -m bench
	$(PY) -m bench.code
	$(PY) -m bench.plugin

fmt: .venv ## format and fix what can be fixed
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
