"""Which values are secret, and that a tree of JSON holds none of them."""

from __future__ import annotations

import random
import string

import pytest

from seatrial.environment import secrets
from seatrial.environment.problems import problems
from seatrial.masking.forms import forms
from seatrial.masking.masker import Masker
from seatrial.masking.secret_values import secret_values
from seatrial.settings import Budget, Settings
from seatrial_protocol import limits
from seatrial_protocol.masks import parse, to_json
from tests.unit import builders as b


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DB_PASSWORD", "hunter22", {"hunter22"}),
        ("API_KEY", "abc123def", {"abc123def"}),
        ("GITHUB_TOKEN", "ghp_1", {"ghp_1"}),
        ("KEYCLOAK_REALM", "orders", set()),
        ("LOG_LEVEL", "debug", set()),
        ("SECRET_URL", "https://$(HOST)/x1y2z3", {"https://", "/x1y2z3"}),
        ("PGPASSWORD", "$(SEATRIAL_POSTGRES_PASSWORD)", set()),
        ("DATABASE_URL", "postgresql://app:s3cr3t99@db/orders", {"s3cr3t99"}),
        ("DATABASE_URL", "postgresql://$(PGUSER):$(PGPASSWORD)@$(PGHOST)/orders", set()),
    ],
)
def test_what_is_secret(name: str, value: str, expected: set[str]) -> None:
    assert secret_values([{"name": name, "value": value}]) == expected


def test_short_values_are_no_secrets() -> None:
    assert forms(["12345"]) == ()


def test_a_value_of_several_lines_is_found_line_by_line() -> None:
    masker = Masker(forms(["-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----"]))
    assert masker.text("x MIIEvQIBADANBg y") == "x *** y"


def test_nothing_of_a_run_s_secrets_is_left_in_a_tree() -> None:
    spec = {
        "services": {"postgres": {}, "minio": {}},
        "env": [{"name": "API_TOKEN", "value": "canary-of-the-run"}],
        "apps": {"api": {"image": "i", "env": [{"name": "WEBHOOK_SECRET", "value": "canary-of-the-app"}]}},
    }
    run, settings = b.run(spec), Settings(key=b"k" * 32)
    known = secrets.derived(run.scope, run.spec, settings) | secrets.own(run.spec)
    assert {"canary-of-the-run", "canary-of-the-app"} < known
    assert len(known) >= 5  # and what is derived for the services
    tree = {"spec": spec, "said": [f"login {value} ok" for value in known], "n": 1, "none": None}
    masked = Masker(forms(known)).tree(tree)
    assert not [value for value in known if value in str(masked)]
    assert masked["spec"]["env"] == [{"name": "API_TOKEN", "value": "***"}]
    assert (masked["n"], masked["none"]) == (1, None)


def test_variables_with_secret_names_are_masked_even_when_nobody_knows_them() -> None:
    assert Masker().tree([{"name": "X_TOKEN", "value": "ab"}]) == [{"name": "X_TOKEN", "value": "***"}]


def test_an_abbreviated_secret_is_one_too() -> None:
    masker = Masker(forms(["5zipd9bxad0rq7w2mmk09a37m0hbba2d"]))
    assert masker.text("assert '5zipd9bxad0r...7m0hbba2d' == 'x'").count("*") == 3
    assert masker.data(b"assert '5zipd9bxad0rq...9a37m0hbba2d' == 'x'") == b"assert '***...***' == 'x'"
    words = Masker(forms(["https://api.example.com/hooks/in/7"]))
    assert words.text("see https://api.example.com/docs") == "see https://api.example.com/docs"


def test_many_secrets_give_a_bounded_list_in_which_every_value_comes_first() -> None:
    """1,600 values: all of them as they are, and of their other forms as many as fit."""
    chance = random.Random(1)
    values = {"".join(chance.choices(string.ascii_letters, k=150)) for _ in range(1600)}
    found = forms(values)
    assert len(to_json(found)) <= limits.MASKS.size
    assert len(found) > len(values)
    assert values <= set(found)
    assert parse(to_json(found)) == found
    huge = forms({value * 30 for value in values})
    assert len(to_json(huge)) <= limits.MASKS.size
    short = forms({f"{number:07}" for number in range(30_000)})
    assert len(short) < limits.MASKS.entries


def test_more_than_can_be_masked_is_refused_with_the_limit() -> None:
    env = [{"name": f"TOKEN_{i}", "value": f"{i:04}" * 5000} for i in range(15)]
    (problem,) = problems(b.run({"env": env}), {}, Budget())
    assert problem.path == "spec"
    assert "take 293.0 KiB, and at most 256.0 KiB can be masked" in problem.message


def test_overlapping_secrets_leave_nothing_of_either() -> None:
    assert Masker(["abcdefgh", "fghijklm"]).text("x abcdefghijklm y") == "x *** y"


def test_text_that_is_no_unicode_is_masked_too() -> None:
    assert Masker(["s3cr3t"]).text("\ud800 s3cr3t") == "\ud800 ***"
