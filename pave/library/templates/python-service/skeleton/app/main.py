"""The application: its routes, and what has to be there before the first request."""
{% if values.database %}
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import database, items


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Connect when the service starts, disconnect when it stops."""
    database.start()
    yield
    database.stop()


app = FastAPI(title="${{ values.name }}", lifespan=lifespan)
app.include_router(items.router)
{% else %}
from fastapi import FastAPI

app = FastAPI(title="${{ values.name }}")
{% endif %}

@app.get("/")
def hello() -> dict[str, str]:
    """Say hello."""
    return {"service": "${{ values.name }}", "documentation": "/docs"}


@app.get("/healthz")
def health() -> dict[str, str]:
    """Whether the service can do its work; traffic is only sent to it while it can."""
{%- if values.database %}
    database.check()
{%- endif %}
    return {"status": "ok"}
