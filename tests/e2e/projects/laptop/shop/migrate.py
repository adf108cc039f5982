"""Makes the table."""

import os

import psycopg

with psycopg.connect(os.environ["SHOP_DATABASE"]) as connection:
    connection.execute("CREATE TABLE articles (name text PRIMARY KEY, price int NOT NULL)")
