"""The shop as its developers test it, with docker-compose on the laptop: all on 127.0.0.1, nothing in the environment."""

import httpx
import psycopg
import pytest

from shop.api import RECEIPTS


@pytest.fixture
def api():
    with httpx.Client(base_url="http://127.0.0.1:18000") as client:
        yield client


def test_an_article_is_stored_once(api):
    assert api.put("/articles/tea", content="3").status_code == 201
    assert api.get("/articles/tea").text == "3"
    with psycopg.connect("postgresql://shop:shop@127.0.0.1:15432/shop") as connection:
        assert connection.execute("SELECT price FROM articles WHERE name = 'tea'").fetchall() == [(3,)]


def test_its_receipt_is_in_the_bucket(api, monkeypatch):
    monkeypatch.setenv("SHOP_STORE", "http://localhost:19000")
    from shop.api import store

    assert api.put("/articles/coffee", content="5").status_code == 201
    assert store().get_object(Bucket=RECEIPTS, Key="coffee")["Body"].read() == b"5"


def test_an_article_that_is_not_there(api):
    assert api.get("/articles/milk").status_code == 404
