from __future__ import annotations

import json
import time

import httpx
import pytest
from sqlalchemy import Engine as Database
from sqlalchemy import text
from terraform_world import STACK, World, make_world  # noqa: F401 — fixtures

from pave.apply.retry import Stale
from pave.doors import state
from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.ports import Holder

ME, OTHER = Holder("run_1", 1), Holder("run_2", 1)
LOCK = {"ID": "l1"}


def body(serial: int, *resources: str) -> bytes:
    return json.dumps({"version": 4, "serial": serial, "resources": [{"name": one} for one in resources]}).encode()


def test_versions_are_kept_sealed_and_limited(world: World, records: Database) -> None:
    states = world.states
    assert states.read(STACK) is None
    assert states.serial(STACK) == 0
    states.lock(STACK, LOCK, ME, 30)
    for serial in range(1, 54):
        states.write(STACK, body(serial, "secret-name"), "l1", ME)
    assert states.serial(STACK) == 53
    assert [one.serial for one in states.versions(STACK)] == list(range(53, 3, -1))
    assert len(states.versions(STACK, 3)) == 3
    assert states.read(STACK, 40) == body(40, "secret-name")
    assert states.read(STACK, 3) is None
    with records.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM terraform_states")).scalar() == 50
        assert b"secret-name" not in connection.execute(text("SELECT body FROM terraform_states LIMIT 1")).scalar()
        # A state moved to another stack's row does not open there.
        connection.execute(text("UPDATE terraform_states SET stack = 'dev/billing'"))
        connection.commit()
    with pytest.raises(ValueError, match="changed"):
        states.read(Address("dev", "billing"))


def test_only_the_holder_of_the_lock_writes(world: World) -> None:
    states = world.states
    with pytest.raises(Stale):
        states.write(STACK, body(1), "", ME)
    assert states.lock(STACK, LOCK, ME, 30) is None
    for lock, holder in (("l2", ME), ("l1", OTHER), ("l1", Holder("run_1", 2)), ("", ME)):
        with pytest.raises(Stale):
            states.write(STACK, body(1), lock, holder)
    states.write(STACK, body(2), "l1", ME)
    with pytest.raises(Stale, match="serial is 2"):
        states.write(STACK, body(1), "l1", ME)
    with pytest.raises(Refused):
        states.write(STACK, b"<html>", "l1", ME)


def test_a_lock_is_a_lease(world: World) -> None:
    states = world.states
    assert states.lock(STACK, LOCK, ME, 0.15) is None
    standing = states.lock(STACK, {"ID": "l2"}, OTHER, 30)
    assert standing is not None
    assert (standing.id, standing.holder, standing.stack) == ("l1", ME, STACK)
    assert states.renew(STACK, ME, 0.15)
    assert not states.renew(STACK, OTHER, 30)
    time.sleep(0.2)
    assert states.locks() == ()
    # Nobody took it: the old holder may still write, and get it back.
    states.write(STACK, body(1), "l1", ME)
    assert states.lock(STACK, {"ID": "l2"}, OTHER, 30) is None
    assert not states.renew(STACK, ME, 30)
    with pytest.raises(Stale):
        states.write(STACK, body(2), "l1", ME)
    states.unlock(STACK, "l1", ME)
    assert [one.id for one in states.locks()] == ["l2"]
    states.unlock(STACK)
    assert states.locks() == ()
    assert states.renew(STACK, ME, 30)


def test_the_same_run_comes_back_at_once_but_never_an_older_epoch(world: World) -> None:
    states = world.states
    assert states.lock(STACK, LOCK, Holder("run_1", 2), 3600) is None
    assert states.lock(STACK, {"ID": "old"}, Holder("run_1", 1), 30) is not None
    assert states.lock(STACK, {"ID": "same"}, Holder("run_1", 2), 30) is not None
    assert states.lock(STACK, LOCK, Holder("run_1", 2), 30) is None  # the answer was lost, asked again
    assert states.lock(STACK, {"ID": "new"}, Holder("run_1", 3), 30) is None
    with pytest.raises(Stale):
        states.write(STACK, body(1), "l1", Holder("run_1", 2))


def test_locks_of_the_dead_are_freed_by_their_prefix(world: World) -> None:
    states = world.states
    states.lock(STACK, LOCK, Holder("host_1:7:run", 1), 3600)
    assert states.free("host%") == 0
    assert states.free("host_1:8") == 0
    assert states.free("host_1:7") == 1
    assert states.locks() == ()


def test_a_state_with_resources_is_not_forgotten(world: World) -> None:
    states = world.states
    states.lock(STACK, LOCK, ME, 30)
    states.write(STACK, body(1, "a"), "l1", ME)
    with pytest.raises(Refused, match="1 resources"):
        states.delete(STACK)
    states.write(STACK, body(2), "l1", ME)
    states.delete(STACK)
    states.delete(STACK)
    assert states.versions(STACK) == ()


def test_the_door_speaks_terraforms_protocol(world: World) -> None:
    access = world.access(STACK)
    with httpx.Client(auth=(access.username, access.password)) as client:
        assert client.get(access.address).status_code == 404
        assert client.request("LOCK", access.address, json=LOCK).status_code == 200
        refused = client.request("LOCK", access.address, json={"ID": "l2"})
        assert refused.status_code == 423
        assert refused.json() == {"ID": "l1", "Who": "run_1"}
        assert client.post(access.address, content=body(1)).status_code == 409
        assert client.post(f"{access.address}?ID=l1", content=b"x").status_code == 400
        wrong = client.post(f"{access.address}?ID=l1", content=body(1), headers={"Content-MD5": "AAAA"})
        assert wrong.status_code == 400
        assert client.post(f"{access.address}?ID=l1", content=body(1, "a")).status_code == 200
        assert client.get(access.address).content == body(1, "a")
        assert client.delete(access.address).status_code == 400
        assert client.request("LOCK", access.address, content=b"{").status_code == 400
        assert client.request("LOCK", access.address, content=b"{}").status_code == 400
        assert client.request("UNLOCK", access.address, json=LOCK).status_code == 200
        assert world.states.locks() == ()
        assert client.put(access.address, content=b"").status_code == 405


def test_the_door_is_shut_to_everyone_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    access = world.access(STACK)
    mine = (access.username, access.password)
    other = world.url + "/internal/state/dev/billing"
    assert httpx.get(access.address).status_code == 401
    assert httpx.get(access.address, headers={"Authorization": "Basic !!"}).status_code == 401
    assert httpx.get(access.address, headers={"Authorization": "Bearer x"}).status_code == 401
    assert httpx.get(access.address, auth=(access.username, "wrong")).status_code == 401
    assert httpx.get(other, auth=mine).status_code == 401
    assert httpx.get(world.url + "/internal/state/Dev/..%2F..", auth=mine).status_code == 404
    monkeypatch.setattr(state, "LARGEST_STATE", 10)
    assert httpx.post(f"{access.address}?ID=l1", auth=mine, content=body(1)).status_code == 413
