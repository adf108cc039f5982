"""The status of a run, written by the operator alone."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from seatrial.api.base import StatusModel, list_map
from seatrial.api.scalars import Time


class OpenEnum(StrEnum):
    """Words to which another version may add: an unknown one is read and kept, and the schema lets it pass."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        other = str.__new__(cls, value)
        other._name_ = other._value_ = value
        return other

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string"}


class Phase(OpenEnum):
    """Where a run is, for people. After the environment is gone the phase is the verdict."""

    PENDING = "Pending"
    STARTING = "Starting"
    TESTING = "Testing"
    COLLECTING = "Collecting"
    CLEANING_UP = "CleaningUp"
    PASSED = "Passed"
    FAILED = "Failed"
    ERRORED = "Errored"
    CANCELLED = "Cancelled"

    @classmethod
    def _missing_(cls, value: object) -> Phase | None:
        """Reads what version 0.1.0 has written."""
        return cls.CLEANING_UP if value == "Reclaiming" else super()._missing_(value)


class Verdict(OpenEnum):
    """How a run ended."""

    PASSED = "Passed"
    FAILED = "Failed"
    ERRORED = "Errored"
    CANCELLED = "Cancelled"


class Reason(StrEnum):
    """Why a run has its verdict. docs/reasons.md has what to do about each."""

    TESTS_PASSED = "TestsPassed"
    TESTS_FAILED = "TestsFailed"
    NO_TESTS_COLLECTED = "NoTestsCollected"
    ALL_TESTS_SKIPPED = "AllTestsSkipped"
    COLLECTION_ERROR = "CollectionError"
    TEST_TIMEOUT = "TestTimeout"
    TEST_PROCESS_DIED = "TestProcessDied"
    USAGE_ERROR = "UsageError"
    INVALID_SPEC = "InvalidSpec"
    QUOTA_EXCEEDED = "QuotaExceeded"
    ADMISSION_DENIED = "AdmissionDenied"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    BUNDLE_MISSING = "BundleMissing"
    BUNDLE_BROKEN = "BundleBroken"
    CONTAINER_CONFIG_ERROR = "ContainerConfigError"
    IMAGE_WITHOUT_PYTEST = "ImageWithoutPytest"
    SERVICE_NOT_READY = "ServiceNotReady"
    SERVICE_NETWORK_BROKEN = "ServiceNetworkBroken"
    SERVICE_LOST = "ServiceLost"
    MIGRATION_FAILED = "MigrationFailed"
    APP_CRASHED = "AppCrashed"
    APP_NOT_READY = "AppNotReady"
    RUN_TIMEOUT = "RunTimeout"
    OUT_OF_MEMORY = "OutOfMemory"
    EVICTED = "Evicted"
    NODE_LOST = "NodeLost"
    ENVIRONMENT_LOST = "EnvironmentLost"
    RESULTS_MISSING = "ResultsMissing"
    RESULTS_INCONSISTENT = "ResultsInconsistent"
    ARCHIVE_QUOTA_EXCEEDED = "ArchiveQuotaExceeded"
    ARCHIVE_UNAVAILABLE = "ArchiveUnavailable"
    INTERNAL_ERROR = "InternalError"
    CANCELLED = "Cancelled"
    NAMESPACE_STUCK = "NamespaceStuck"


class ConditionType(StrEnum):
    """What has happened so far."""

    SUCCEEDED = "Succeeded"
    ACCEPTED = "Accepted"
    ENVIRONMENT_READY = "EnvironmentReady"
    TESTS_FINISHED = "TestsFinished"
    RESULTS_ARCHIVED = "ResultsArchived"
    EVIDENCE_ARCHIVED = "EvidenceArchived"
    CLEANED_UP = "CleanedUp"


class Condition(StatusModel):
    """A Kubernetes condition (metav1.Condition)."""

    type: str
    """Succeeded (Unknown with the phase as its reason until the verdict; then True for Passed, else False), Accepted,
    EnvironmentReady, TestsFinished, ResultsArchived, EvidenceArchived or CleanedUp."""
    status: Literal["True", "False", "Unknown"]
    """Whether it is so."""
    reason: str
    """Why, in one word."""
    message: str = ""
    """Why, for people."""
    last_transition_time: Time
    """When `status` last changed."""
    observed_generation: int = 0
    """The generation of the spec that this is about."""


class TestCounts(StatusModel):
    """Tests by outcome."""

    __test__ = False

    total: int = 0
    """Tests that were selected."""
    passed: int = 0
    """Passed."""
    failed: int = 0
    """Failed."""
    errors: int = 0
    """Their set-up or tear-down failed."""
    skipped: int = 0
    """Skipped."""
    xfailed: int = 0
    """Failed as expected."""
    xpassed: int = 0
    """Passed against expectation."""
    flaky: int = 0
    """Passed when a plugin of the image repeated them."""


class FailureNote(StatusModel):
    """One failed test, in one line."""

    id: str
    """pytest's node id."""
    catalogue_id: str = ""
    """Its id in a test catalogue, such as `INT-020`, if its marker, docstring or name has one."""
    message: str = ""
    """The first line of what went wrong."""


class SlowTest(StatusModel):
    """A test among the slowest."""

    id: str
    """pytest's node id."""
    seconds: str
    """How long it took."""


class Results(StatusModel):
    """Where the results are."""

    url: str = ""
    """The path of the run at the archive's read port."""
    digest: str = ""
    """Digest of the manifest that lists every file with its own digest."""


class Timeline(StatusModel):
    """The moments of a run; what has not happened is absent."""

    queued: Time | None = None
    """The run was created."""
    started: Time | None = None
    """The environment's objects were created."""
    environment_ready: Time | None = None
    """All gates of the tests were open."""
    first_test: Time | None = None
    """The first test began."""
    last_test: Time | None = None
    """The last test ended."""
    verdict: Time | None = None
    """The verdict was written."""
    cleaned_up: Time | None = None
    """The environment was gone."""


class IntegrationRunStatus(StatusModel):
    """What the operator knows of a run; written by the operator alone."""

    phase: Phase | None = None
    """Where the run is: Pending, Starting, Testing, Collecting, CleaningUp; in the end the verdict."""
    verdict: Verdict | None = None
    """How it ended: Passed, Failed, Errored or Cancelled. Written once, never changed."""
    reason: str = ""
    """Why, in one word: see [reasons](reasons.md)."""
    message: str = ""
    """What happened and what to do, in one line."""
    conditions: Annotated[tuple[Condition, ...], Field(json_schema_extra=list_map("type"))] = ()
    """What has happened so far."""
    namespace: str = ""
    """The environment."""
    tests: TestCounts | None = None
    """Tests by outcome."""
    tests_summary: str = ""
    """Passed of total, for the printed column: `40/42`."""
    failures: tuple[FailureNote, ...] = ()
    """The first 20 failed tests."""
    slowest: tuple[SlowTest, ...] = ()
    """The five slowest tests."""
    results: Results | None = None
    """Where the results are."""
    timeline: Timeline = Timeline()
    """When things happened."""
    duration: str = ""
    """From the creation of the run to its verdict, for the printed column: `1m32s`."""
    attempt: int = 1
    """Always 1: a run has one attempt."""
    expires_at: Time | None = None
    """When the environment is deleted in any case."""
    observed_generation: int = 0
    """The generation of the spec that was last acted on."""
