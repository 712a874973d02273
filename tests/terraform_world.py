"""A real state backend over a real PostgreSQL, and engines on it, for the tests that need them."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from sqlalchemy import Engine as Database
from starlette.applications import Starlette

from pave.adapters.cipher import FileCipher
from pave.adapters.postgres.states import PostgresStates
from pave.adapters.terraform.access import StateAccess
from pave.adapters.terraform.binary import Binary
from pave.adapters.terraform.engine import Surroundings, TerraformEngine
from pave.adapters.terraform.pool import Pool
from pave.adapters.terraform.runner import Runner
from pave.doors import state
from pave.model.names import Address
from pave.plan.terraform import Call, RootModule, document
from pave.ports import Holder

STACK = Address("dev", "orders")
THING = b"""
variable "text" { type = string }
resource "terraform_data" "it" { input = var.text }
output "text" { value = terraform_data.it.output }
output "id" { value = terraform_data.it.id }
"""


def never() -> bool:
    return False


@dataclass
class World:
    """The state backend, and what the tests turn: who holds, which modules there are."""

    states: PostgresStates
    access: StateAccess
    folder: Path
    modules: dict[str, Mapping[str, bytes]] = field(default_factory=lambda: {"d-thing": {"main.tf": THING}})
    holder: Holder = field(default_factory=lambda: Holder("run_1", 1))
    url: str = ""

    def engine(self, runner: Runner, name: str = "terraform") -> TerraformEngine:
        around = Surroundings(self.states, self.access, self.modules.__getitem__, lambda: "")
        return TerraformEngine(runner, self.folder / name, around, {"PATH": os.environ["PATH"]})

    def module(self, name: str, text: str) -> None:
        self.modules[f"d-{name}"] = {"main.tf": text.encode()}


def root(**calls: Mapping[str, object] | tuple[str, Mapping[str, object]]) -> RootModule:
    """Calls of the module `thing` by their arguments, or of another as (module, arguments)."""
    made = []
    for name, given in calls.items():
        module, arguments = given if isinstance(given, tuple) else ("thing", given)
        made.append(Call(name, module, f"d-{module}", arguments))
    return document(made)


@pytest.fixture(name="world")
def make_world(records: Database, tmp_path: Path) -> Iterator[World]:
    cipher = FileCipher(tmp_path / "keys")
    states = PostgresStates(records, cipher)
    made: list[World] = []
    access = StateAccess(cipher.derive("state"), lambda: made[0].url, lambda _: made[0].holder)
    made.append(World(states, access, tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made[0].url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = Starlette(routes=state.routes(states, access.verify))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield made[0]
        server.should_exit = True
        thread.join()


@pytest.fixture(name="pool")
def make_pool(tmp_path: Path) -> Iterator[Pool]:
    made = Pool(tmp_path / "workers", size=2)
    yield made
    made.close()
    assert list((tmp_path / "workers").glob("*")) == [], "a worker has left its files"


@pytest.fixture(name="runner", params=["library", "program"])
def make_runner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runner]:
    made: Runner
    if request.param == "library":
        made = Pool(tmp_path / "workers", size=2)
    else:
        made = Binary("terraform", tmp_path / "workers")
        if not made._program.startswith("/"):
            pytest.skip("there is no terraform program on this machine")
    yield made
    made.close()
    assert list((tmp_path / "workers").glob("*")) == [], "a process has left its files"


def until(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
