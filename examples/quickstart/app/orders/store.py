"""Everything that is asked of the database."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from orders.models import Order, OrderLine, Product, Status


class UnknownProductError(Exception):
    """An order names a product that there is not."""


class OutOfStockError(Exception):
    """There are fewer pieces of a product than an order wants."""


class Store:
    """The database, through SQLAlchemy."""

    def __init__(self, url: str) -> None:
        self._engine = create_async_engine(url, pool_size=10)
        self._session = async_sessionmaker(self._engine, expire_on_commit=False)

    async def close(self) -> None:
        await self._engine.dispose()

    async def ping(self) -> None:
        """Raises when the database does not answer."""
        async with self._engine.connect() as connection:
            await connection.execute(text("select 1"))

    async def products(self) -> list[Product]:
        async with self._session() as session:
            return list(await session.scalars(select(Product).order_by(Product.sku)))

    async def order(self, order_id: uuid.UUID) -> Order | None:
        async with self._session() as session:
            return await session.get(Order, order_id)

    async def place(self, customer: str, quantities: Mapping[str, int], key: str | None) -> tuple[Order, bool]:
        """Writes an order, or finds the one that was placed with the same key; True when it is new.

        Raises:
            UnknownProductError: for a product that there is not.
        """
        async with self._session.begin() as session:
            found = await session.scalars(select(Product).where(Product.sku.in_(quantities)))
            prices = {product.sku: product.price_cents for product in found}
            if unknown := sorted(set(quantities) - set(prices)):
                raise UnknownProductError(", ".join(unknown))
            values = {
                "id": uuid.uuid4(),
                "customer": customer,
                "total_cents": sum(prices[sku] * quantity for sku, quantity in quantities.items()),
                "idempotency_key": key,
            }
            new = insert(Order).values(values).on_conflict_do_nothing(index_elements=[Order.idempotency_key])
            order_id = await session.scalar(new.returning(Order.id))
            if order_id is not None:
                session.add_all(
                    OrderLine(order_id=order_id, sku=sku, quantity=quantity, price_cents=prices[sku])
                    for sku, quantity in quantities.items()
                )
                await session.flush()
            which = Order.id == order_id if order_id is not None else Order.idempotency_key == key
            return (await session.scalars(select(Order).where(which))).one(), order_id is not None

    async def reserve(self, order_id: uuid.UUID) -> int:
        """Takes an order's pieces from the stock, once, and gives the order's total in cents.

        Raises:
            OutOfStockError: nothing is taken then.
        """
        async with self._session.begin() as session:
            order = (await session.scalars(select(Order).where(Order.id == order_id).with_for_update())).one()
            if not order.reserved:
                for line in order.lines:
                    enough = (Product.sku == line.sku) & (Product.stock >= line.quantity)
                    taken = update(Product).where(enough).values(stock=Product.stock - line.quantity)
                    if await session.scalar(taken.returning(Product.stock)) is None:
                        raise OutOfStockError(line.sku)
                order.reserved = True
            return order.total_cents

    async def release(self, order_id: uuid.UUID) -> None:
        """Gives an order's pieces back to the stock, once."""
        async with self._session.begin() as session:
            order = (await session.scalars(select(Order).where(Order.id == order_id).with_for_update())).one()
            if order.reserved:
                for line in order.lines:
                    back = update(Product).where(Product.sku == line.sku)
                    await session.execute(back.values(stock=Product.stock + line.quantity))
                order.reserved = False

    async def set_status(
        self, order_id: uuid.UUID, status: Status, reason: str = "", receipt: str | None = None
    ) -> None:
        async with self._session.begin() as session:
            change = update(Order).where(Order.id == order_id)
            await session.execute(change.values(status=status, reason=reason, receipt_key=receipt))
