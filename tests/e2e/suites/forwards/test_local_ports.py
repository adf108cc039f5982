"""Everything at 127.0.0.1, as beside a docker-compose file."""

import os
import socket
import urllib.request

import psycopg
import pytest


def test_postgres_at_a_published_port():
    address = f"postgresql://postgres:{os.environ['PGPASSWORD']}@127.0.0.1:15432/app"
    with psycopg.connect(address) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_app_at_a_low_port(host):
    assert urllib.request.urlopen(f"http://{host}/").read() == b"from the app, which asked postgres at 127.0.0.1"


def test_a_port_that_leads_nowhere():
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 15433))
