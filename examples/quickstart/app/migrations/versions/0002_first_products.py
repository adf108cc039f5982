"""The first products."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

PRODUCTS = [
    {"sku": "anchor", "name": "Anchor, 10 kg", "price_cents": 8_900, "stock": 40},
    {"sku": "compass", "name": "Compass", "price_cents": 4_500, "stock": 100},
    {"sku": "lifebuoy", "name": "Lifebuoy", "price_cents": 2_950, "stock": 250},
]
products = sa.table("products", *(sa.column(name) for name in PRODUCTS[0]))


def upgrade() -> None:
    op.bulk_insert(products, PRODUCTS)


def downgrade() -> None:
    op.execute(products.delete().where(products.c.sku.in_([product["sku"] for product in PRODUCTS])))
