"""`pave_cache` through real Terraform, used by a real client."""

import pytest
import redis
from real_terraform import call

from pave.model.names import Address
from pave.provider.caches import WantedCache

MODULE = "local-cache"
RESOURCE = "module.it.pave_cache.this"


def client(url):
    return redis.Redis.from_url(url, protocol=2, socket_timeout=5)


@pytest.fixture
def cache(terraform):
    def make(address, **inputs):
        terraform.write(call(MODULE, address, **inputs))
        terraform.apply()
        return terraform.outputs()["it"]

    return make


def test_it_is_made_used_and_unchanged(cache, terraform):
    made = cache("dev/shop/cache")
    with client(made["url"]) as connection:
        connection.set("a", "1", ex=60)
        assert connection.get("a") == b"1"
    with redis.Redis(made["host"], made["port"], password=made["password"], protocol=2) as by_password_alone:
        assert by_password_alone.ping()
    assert terraform.plan() == {}


def test_a_stranger_is_kept_out(cache, services):
    mine = cache("dev/near/cache")
    yours = services.caches.ensure(WantedCache(Address("dev", "far", "cache"), 2**20))
    with pytest.raises(redis.AuthenticationError), client(yours.url.replace(yours.password, mine["password"])) as other:
        other.ping()
    with pytest.raises(redis.AuthenticationError), redis.Redis(yours.host, yours.port, protocol=2) as nobody:
        nobody.ping()


def test_nobody_administers_the_server_but_pave(cache):
    made = cache("dev/admin/cache")
    with client(made["url"]) as connection:
        for command in ("CONFIG SET dir /tmp", "SHUTDOWN", "DEBUG SLEEP 1", "REPLICAOF NO ONE", "ACL LIST", "SAVE"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                connection.execute_command(*command.split())
        assert connection.info("server")["redis_version"]


def test_memory_is_limited_and_changes_in_place(cache, terraform):
    made = cache("dev/full/cache", memory="2Mi", eviction="noeviction")
    with client(made["url"]) as connection:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            connection.set("big", "x" * 2**21)
        terraform.write(call(MODULE, "dev/full/cache", memory="64Mi"))
        assert terraform.plan() == {RESOURCE: ["update"]}
        terraform.apply()
        assert terraform.outputs()["it"] == made
        connection.set("more", "x" * 1_000_000)
        assert connection.info("memory")["maxmemory_policy"] == "allkeys-lru"
    assert terraform.plan() == {}


def test_a_crash_of_the_server_is_healed(cache, terraform, machine):
    made = cache("dev/crash/cache")
    machine.kill("redis-dev-crash-cache")
    assert terraform.plan() == {}
    with client(made["url"]) as connection:
        assert connection.ping()


def test_destroyed_it_is_gone_and_comes_back_empty(cache, terraform, services, machine):
    made = cache("dev/gone/cache")
    terraform.destroy()
    assert "redis-dev-gone-cache" not in machine.programs()
    assert Address("dev", "gone", "cache") not in services.caches.all()
    assert not services.caches.server(Address("dev", "gone", "cache")).directory.exists()
    with pytest.raises(redis.ConnectionError), client(made["url"]) as connection:
        connection.ping()
