"""Articles by HTTP: PUT /articles/NAME with a price stores one, GET gives it, with a receipt in the bucket."""

import http.server
import os
import re

import boto3
import psycopg

DATABASE = os.environ.get("SHOP_DATABASE", "")
RECEIPTS = "receipts"


def store():
    return boto3.client(
        "s3", endpoint_url=os.environ["SHOP_STORE"], region_name="us-east-1",
        aws_access_key_id="minioadmin", aws_secret_access_key="minioadmin",
    )  # fmt: skip


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        if self.path == "/health":
            self.answer(200, "well")
            return
        with psycopg.connect(DATABASE) as connection:
            found = connection.execute("SELECT price FROM articles WHERE name = %s", (self.name,)).fetchone()
        self.answer(200, str(found[0])) if found else self.answer(404)

    def do_PUT(self):
        price = int(self.rfile.read(int(self.headers["Content-Length"])))
        with psycopg.connect(DATABASE) as connection:
            connection.execute("INSERT INTO articles VALUES (%s, %s)", (self.name, price))
        store().put_object(Bucket=RECEIPTS, Key=self.name, Body=str(price).encode())
        self.answer(201)

    @property
    def name(self):
        return re.fullmatch(r"/articles/(\w+)", self.path)[1]


if __name__ == "__main__":
    store().create_bucket(Bucket=RECEIPTS)
    http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Shop).serve_forever()
