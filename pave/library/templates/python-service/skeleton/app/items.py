"""Items: create, read, update and delete them. Replace them by what your service is about."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, status
from psycopg.rows import class_row
from pydantic import BaseModel, StringConstraints

from app.database import transaction

router = APIRouter(prefix="/items", tags=["items"])


class NewItem(BaseModel):
    """What a client says about an item."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Item(NewItem):
    """An item as it is kept."""

    id: int
    created_at: datetime


@router.get("")
def all_items() -> list[Item]:
    """The newest hundred."""
    return query("SELECT id, name, created_at FROM items ORDER BY id DESC LIMIT 100")


@router.post("", status_code=status.HTTP_201_CREATED)
def create(item: NewItem) -> Item:
    """Keep a new one."""
    return one(query("INSERT INTO items (name) VALUES (%s) RETURNING id, name, created_at", item.name))


@router.get("/{id}")
def read(id: int) -> Item:
    """One of them."""
    return one(query("SELECT id, name, created_at FROM items WHERE id = %s", id))


@router.put("/{id}")
def update(id: int, item: NewItem) -> Item:
    """Change its name."""
    return one(query("UPDATE items SET name = %s WHERE id = %s RETURNING id, name, created_at", item.name, id))


@router.delete("/{id}", status_code=status.HTTP_204_NO_CONTENT)
def delete(id: int) -> None:
    """Remove it."""
    one(query("DELETE FROM items WHERE id = %s RETURNING id, name, created_at", id))


def query(sql: str, *values: object) -> list[Item]:
    """Run one statement in a transaction of its own."""
    with transaction() as connection, connection.cursor(row_factory=class_row(Item)) as cursor:
        return cursor.execute(sql, values).fetchall()


def one(items: list[Item]) -> Item:
    """The only item, or "not found"."""
    if not items:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such item.")
    return items[0]
