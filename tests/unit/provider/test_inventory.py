"""The inventory keeps what was written, keeps it private, and lets one worker at a time at an object."""

import threading

import pytest

from pave.provider.inventory import Inventory


@pytest.fixture
def inventory(tmp_path):
    return Inventory(tmp_path / "inventory")


def test_a_record_comes_back_as_it_was_written(inventory):
    inventory.put("postgres", "dev/orders/db", {"database": "dev_orders_db"})
    assert inventory.get("postgres", "dev/orders/db") == {"database": "dev_orders_db"}
    assert inventory.list("postgres") == {"dev/orders/db": {"database": "dev_orders_db"}}


def test_what_was_removed_is_gone_and_removing_again_is_harmless(inventory):
    inventory.put("postgres", "dev/orders/db", {})
    inventory.remove("postgres", "dev/orders/db")
    inventory.remove("postgres", "dev/orders/db")
    assert inventory.get("postgres", "dev/orders/db") is None
    assert inventory.list("postgres") == {}


@pytest.mark.parametrize("hostile", ["..", ".", "../../outside", ".hidden", "a%2Fb"])
def test_no_key_reaches_outside_its_folder(inventory, hostile):
    inventory.put("postgres", hostile, {"mine": True})
    assert inventory.list("postgres") == {hostile: {"mine": True}}
    assert [path.parent for path in inventory.directory.rglob("*.json")] == [inventory.directory / "postgres"]


def test_records_are_for_their_owner_only(inventory):
    inventory.put("postgres", "dev/orders/db", {"password": "secret"})
    (path,) = inventory.directory.rglob("*.json")
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_only_one_works_on_an_object_at_a_time(inventory):
    inside, most = 0, 0

    def work():
        nonlocal inside, most
        for _ in range(50):
            with inventory.lock("workload", "dev/orders/app"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert list((inventory.directory / ".locks").iterdir()) == []


def test_two_objects_do_not_wait_for_each_other(inventory):
    with inventory.lock("workload", "dev/orders/a"), inventory.lock("workload", "dev/orders/b"):
        pass
