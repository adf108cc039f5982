"""What an installation stores and what outlives it: the key, the archive's volume, the definition of the resource."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable

import yaml

from seatrial.archive.server.settings import Settings
from seatrial.generate.crd import crd
from tests.unit.chart.rendering import Rendered

Render = Callable[..., Rendered]


def test_the_key_is_random_and_long_or_the_users_own(template: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    keys = set()
    for release in ("--set=uninstall.timeoutSeconds=1", "--set=uninstall.timeoutSeconds=2"):
        objects = [o for o in yaml.safe_load_all(template(release).stdout) if o and o["kind"] == "Secret"]
        keys.add(base64.b64decode(objects[0]["data"]["key"]))
    assert len(keys) == 2
    assert all(len(key) >= 32 for key in keys)


def test_an_existing_secret_is_mounted_instead(render: Render) -> None:
    objects = render("key.existingSecret=mine")
    assert not objects.has("Secret", "seatrial-key")
    for name in ("seatrial-operator", "seatrial-archive"):
        secrets = [v["secret"]["secretName"] for v in objects.pods()[name]["volumes"] if "secret" in v]
        assert secrets == ["mine"], name


def test_the_archives_volume_goes_with_the_release_unless_it_is_to_be_kept(render: Render) -> None:
    assert "annotations" not in render().get("PersistentVolumeClaim", "seatrial-archive")["metadata"]
    kept = render("archive.persistence.keep=true").get("PersistentVolumeClaim", "seatrial-archive")
    assert kept["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_an_uninstall_says_which_volume_stays(render: Render) -> None:
    def volume_that_stays(*values: str) -> str:
        (container,) = render(*values).pods()["seatrial-uninstall"]["containers"]
        return str({e["name"]: e["value"] for e in container["env"]}["SEATRIAL_KEPT"])

    assert volume_that_stays("archive.persistence.keep=true") == "seatrial-archive"
    assert volume_that_stays("archive.persistence.keep=true", "archive.persistence.enabled=false") == ""


def test_the_archive_gets_its_places_and_limits(render: Render) -> None:
    def variables(*values: str) -> dict[str, str]:
        (container,) = render(*values).pods()["seatrial-archive"]["containers"]
        return {one["name"]: one["value"] for one in container["env"] if one["name"].startswith("SEATRIAL_ARCHIVE_")}

    usual = {
        "SEATRIAL_ARCHIVE_BUNDLE_DAYS",
        "SEATRIAL_ARCHIVE_DIR",
        "SEATRIAL_ARCHIVE_KEEP",
        "SEATRIAL_ARCHIVE_KEEP_BYTES",
        "SEATRIAL_ARCHIVE_MAX_BUNDLE",
        "SEATRIAL_ARCHIVE_MAX_FILE",
        "SEATRIAL_ARCHIVE_SHARE",
    }
    assert variables().keys() == usual
    assert (variables()["SEATRIAL_ARCHIVE_KEEP"], variables()["SEATRIAL_ARCHIVE_KEEP_BYTES"]) == ("720h", "0")
    elsewhere = (
        "archive.bucket=s3://results/seatrial",
        "archive.database=postgresql://seatrial@db/history",
        "archive.retention.age=48h",
        "archive.retention.size=8Gi",
        "archive.share=500Mi",
        "archive.bundles.maxSize=10Mi",
        "archive.bundles.unusedDays=3",
        "archive.envFrom[0].secretRef.name=credentials",
    )
    found = variables(*elsewhere)
    assert found["SEATRIAL_ARCHIVE_BUCKET"] == "s3://results/seatrial"
    assert found["SEATRIAL_ARCHIVE_DATABASE"] == "postgresql://seatrial@db/history"
    assert (found["SEATRIAL_ARCHIVE_KEEP"], found["SEATRIAL_ARCHIVE_KEEP_BYTES"]) == ("48h", "8Gi")
    names = ("SHARE", "MAX_BUNDLE", "BUNDLE_DAYS")
    assert [found[f"SEATRIAL_ARCHIVE_{name}"] for name in names] == ["500Mi", "10Mi", "3"]
    assert Settings.from_environment(found | {"SEATRIAL_KEY_FILE": "/key"}).share_bytes == 500 * 2**20
    (container,) = render(*elsewhere).pods()["seatrial-archive"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "credentials"}}]


def test_the_archives_account_can_be_given_rights_by_the_cloud(render: Render) -> None:
    assert "annotations" not in render().get("ServiceAccount", "seatrial-archive")["metadata"]
    given = render(r"archive.serviceAccountAnnotations.iam\.gke\.io/gcp-service-account=a@b")
    account = given.get("ServiceAccount", "seatrial-archive")
    assert account["metadata"]["annotations"] == {"iam.gke.io/gcp-service-account": "a@b"}


def test_the_archives_volume_has_the_wanted_size_and_class(render: Render) -> None:
    claim = render("archive.persistence.size=3Gi", "archive.persistence.storageClass=fast").get(
        "PersistentVolumeClaim", "seatrial-archive"
    )["spec"]
    assert claim["resources"]["requests"] == {"storage": "3Gi"}
    assert claim["storageClassName"] == "fast"
    assert "storageClassName" not in render().get("PersistentVolumeClaim", "seatrial-archive")["spec"]


def test_without_persistence_there_is_no_claim(render: Render) -> None:
    objects = render("archive.persistence.enabled=false")
    assert not objects.has("PersistentVolumeClaim", "seatrial-archive")
    assert {"name": "data", "emptyDir": {}} in objects.pods()["seatrial-archive"]["volumes"]


def test_all_that_a_hook_needs_is_deleted_after_it(render: Render) -> None:
    hooks = [o for o in render() if "helm.sh/hook" in o["metadata"].get("annotations", {})]
    assert {o["metadata"]["annotations"]["helm.sh/hook"] for o in hooks} == {"pre-delete", "test"}
    for hook in hooks:
        policy = hook["metadata"]["annotations"]["helm.sh/hook-delete-policy"].split(",")
        assert {"before-hook-creation", "hook-succeeded"} <= set(policy), hook["metadata"]["name"]


def test_an_uninstall_that_waits_too_long_says_so_before_it_is_killed(render: Render) -> None:
    job = render("uninstall.timeoutSeconds=100").get("Job", "seatrial-uninstall")["spec"]
    env = {e["name"]: e["value"] for e in job["template"]["spec"]["containers"][0]["env"]}
    assert env["SEATRIAL_UNINSTALL_SECONDS"] == "100"
    assert env["SEATRIAL_KEPT"] == ""
    assert job["activeDeadlineSeconds"] > 100


def test_the_definition_of_the_resource_comes_with_the_chart_and_outlives_it(render: Render) -> None:
    found = render().get("CustomResourceDefinition", "integrationruns.seatrial.dev")
    assert found["spec"] == crd()["spec"]
    assert found["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert not render("crds.enabled=false").has("CustomResourceDefinition", "integrationruns.seatrial.dev")
