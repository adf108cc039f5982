from __future__ import annotations

from bench.counters import Counts, counts, flow_schema, parse

API_SERVER = """\
# TYPE apiserver_flowcontrol_dispatched_requests_total counter
apiserver_flowcontrol_dispatched_requests_total{flow_schema="seatrial-bench-writes",priority_level="workload-low"} 31
apiserver_flowcontrol_dispatched_requests_total{flow_schema="seatrial-bench-reads",priority_level="workload-low"} 2
apiserver_flowcontrol_dispatched_requests_total{flow_schema="service-accounts",priority_level="workload-low"} 900
"""
OPERATOR = """\
# TYPE seatrial_api_requests_total counter
seatrial_api_requests_total{code="201",resource="pods",verb="POST"} 20
seatrial_api_requests_total{code="403",resource="pods",verb="POST"} 4
seatrial_api_requests_total{code="200",resource="namespaces",verb="DELETE"} 7
seatrial_api_requests_total{code="404",resource="namespaces",verb="GET"} 2
# TYPE seatrial_api_writes_per_run histogram
seatrial_api_writes_per_run_bucket{le="+Inf"} 1
seatrial_api_writes_per_run_count 1
seatrial_api_writes_per_run_sum 31
"""


def test_the_operators_requests_on_both_pages() -> None:
    assert counts(parse(API_SERVER), parse(OPERATOR)) == Counts(31, 2, own_writes=31, own_reads=2, runs=1)


def test_what_was_added() -> None:
    assert Counts(31, 2, 31, 2, 5).since(Counts(1, 2, 1, 2, 4)) == Counts(30, 0, 30, 0, 1)


def test_a_flow_schema_matches_the_operators_account_alone() -> None:
    spec = flow_schema("x", ("create",))["spec"]
    (rule,) = spec["rules"]
    assert rule["subjects"] == [
        {"kind": "ServiceAccount", "serviceAccount": {"name": "seatrial-operator", "namespace": "seatrial-system"}}
    ]
    assert rule["resourceRules"][0]["verbs"] == ["create"]
    assert spec["matchingPrecedence"] < 9000, "the API server's own `service-accounts` would match first"
