"""`pave_database` through real Terraform, used by a real client."""

import psycopg
import pytest
from real_terraform import call

from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.provider.databases import Wanted

MODULE = "local-postgres"


@pytest.fixture
def database(terraform):
    """Make one; returns its outputs."""

    def make(address, **inputs):
        terraform.write(call(MODULE, address, **inputs))
        terraform.apply()
        return terraform.outputs()["it"]

    return make


def test_it_is_made_used_and_unchanged(database, terraform):
    made = database("dev/made/db")
    assert made["name"] == made["database"] == made["username"] == "dev_made_db"
    with psycopg.connect(made["url"]) as connection:
        connection.execute("CREATE TABLE t (a int)")
    with psycopg.connect(host=made["socket"], port=made["port"], user=made["username"], password=made["password"]) as c:
        assert c.execute("SHOW statement_timeout").fetchone() == ("5min",)
    assert terraform.plan() == {}


def test_a_stranger_is_kept_out(database, services):
    mine = database("dev/mine/db")
    yours = services.databases.ensure(Wanted(Address("dev", "yours", "db")))
    url = mine["url"].rsplit("/", 1)[0]
    for other in (yours.name, "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(f"{url}/{other}")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(mine["url"].replace(mine["password"], yours.password))
    with psycopg.connect(mine["url"], autocommit=True) as connection:
        for forbidden in ("CREATE DATABASE x", "CREATE ROLE x", "COPY (SELECT 1) TO PROGRAM 'id'", "SET ROLE pave"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)


def test_limits_follow_size_and_change_in_place(database, terraform):
    made = database("dev/limits/db", connections=2)
    held = [psycopg.connect(made["url"]) for _ in range(2)]
    with pytest.raises(psycopg.OperationalError, match="too many connections"):
        psycopg.connect(made["url"])
    for one in held:
        one.close()
    terraform.write(call(MODULE, "dev/limits/db", size="medium"))
    assert terraform.plan() == {"module.it.pave_database.this": ["update"]}
    terraform.apply()
    after = terraform.outputs()["it"]
    assert after == made
    with psycopg.connect(after["url"]) as connection:
        assert connection.execute("SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user").fetchone() == (50,)
        assert connection.execute("SHOW work_mem").fetchone() == ("8MB",)


def test_dropped_by_hand_it_comes_back(database, terraform, services):
    database("dev/dropped/db")
    with services.databases.server.connect() as connection:
        connection.execute("DROP DATABASE dev_dropped_db")
    assert terraform.plan() == {"module.it.pave_database.this": ["create"]}
    terraform.apply()
    with psycopg.connect(terraform.outputs()["it"]["url"]):
        pass


def test_a_password_changed_by_hand_is_set_anew(database, terraform, services):
    database("dev/changed/db")
    with services.databases.server.connect() as connection:
        connection.execute("ALTER ROLE dev_changed_db PASSWORD 'known to somebody' CONNECTION LIMIT 3")
    assert terraform.plan() == {"module.it.pave_database.this": ["update"]}
    terraform.apply()
    with psycopg.connect(terraform.outputs()["it"]["url"]):
        pass
    assert terraform.plan() == {}


def waiting(services, address):
    return sum(one["address"] == str(address) for one in services.trash.all())


def test_a_removed_one_is_restored_with_its_data(database, terraform, services):
    address = Address("dev", "restored", "db")
    made = database(str(address))
    holding = psycopg.connect(made["url"], autocommit=True)
    holding.execute("CREATE TABLE t AS SELECT 42 AS a")
    terraform.destroy()
    with pytest.raises(psycopg.OperationalError):
        holding.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(made["url"])
    assert waiting(services, address) == 1
    newer = database(str(address))
    services.trash.restore(address)
    assert waiting(services, address) == 1, "the newer one took its place"
    assert terraform.plan() == {}
    with psycopg.connect(newer["url"]) as connection:
        assert connection.execute("SELECT a FROM t").fetchone() == (42,)
    with pytest.raises(Refused, match="nothing is kept"):
        services.trash.restore(Address("dev", "never", "db"))


def test_bad_input_is_refused_before_anything_happens(terraform, services):
    terraform.write(call(MODULE, "dev/bad/db", size="huge"))
    result = terraform.run("plan", "-input=false", "-no-color", ok=(1,))
    assert "size must be one of small, medium, large" in result.stderr
    terraform.write(call(MODULE, "dev/../db"))
    result = terraform.run("plan", "-input=false", "-no-color", ok=(1,))
    assert "cannot be used as" in result.stderr
