"""`pave_queue` through real Terraform, used by a real client."""

import asyncio

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error
from real_terraform import call

from pave.model.names import Address
from pave.provider.queues import WantedQueue

MODULE = "local-queue"
RESOURCE = "module.it.pave_queue.this"


def use(url, act):
    async def connected():
        client = Client()
        try:
            await client.connect(url, allow_reconnect=False, error_cb=_silent)
            return await act(client)
        finally:
            await client.close()

    return asyncio.run(connected())


async def _silent(_):
    pass


@pytest.fixture
def queue(terraform):
    def make(address, **inputs):
        terraform.write(call(MODULE, address, **inputs))
        terraform.apply()
        return terraform.outputs()["it"]

    return make


def test_it_is_made_used_and_unchanged(queue, terraform):
    made = queue("dev/shop/jobs")
    assert (made["stream"], made["subject"]) == ("dev_shop_jobs", "jobs")

    async def exchange(client):
        stream = client.jetstream()
        await stream.publish("jobs", b"one")
        await stream.publish("jobs.paid", b"two")
        reader = await stream.pull_subscribe("jobs.>", durable="worker", stream=made["stream"])
        return [message.data for message in await reader.fetch(1)]

    assert use(made["url"], exchange) == [b"two"]
    assert terraform.plan() == {}


def test_a_stranger_sees_nothing(queue, services):
    mine = queue("dev/near/jobs")
    yours = services.queues.ensure(WantedQueue(Address("dev", "far", "jobs"), 2**20, 60))
    with pytest.raises(Error):
        use(mine["url"].replace(mine["password"], yours.password), lambda client: client.flush())
    with pytest.raises((Error, nats.js.errors.NotFoundError)):
        use(mine["url"], lambda client: client.jetstream().stream_info(yours.name))

    async def listen(client):
        heard = await client.subscribe(">")
        await client.flush()
        await asyncio.to_thread(use, yours.url, lambda other: other.jetstream().publish("jobs", b"secret"))
        with pytest.raises(nats.errors.TimeoutError):
            await heard.next_msg(timeout=0.3)

    use(mine["url"], listen)
    with pytest.raises(nats.js.errors.Error):
        use(mine["url"], lambda client: client.jetstream().add_stream(name="more", subjects=["more"]))


def test_other_clients_stay_connected_when_a_queue_comes_and_goes(queue, services):
    made = queue("dev/steady/jobs")
    other = Address("dev", "passing", "jobs")

    async def hold(client):
        await asyncio.to_thread(services.queues.ensure, WantedQueue(other, 2**20, 60))
        await asyncio.to_thread(services.queues.remove, other)
        await client.jetstream().publish("jobs", b"still here")
        return client.is_connected

    assert use(made["url"], hold)


def test_limits_change_in_place(queue, terraform):
    made = queue("dev/grow/jobs")
    use(made["url"], lambda client: client.jetstream().publish("jobs", b"kept"))
    terraform.write(call(MODULE, "dev/grow/jobs", max_size="128Mi", max_age="1h"))
    assert terraform.plan() == {RESOURCE: ["update"]}
    terraform.apply()
    assert terraform.outputs()["it"] == made
    info = use(made["url"], lambda client: client.jetstream().stream_info(made["stream"]))
    assert (info.config.max_bytes, info.config.max_age, info.state.messages) == (2**27, 3600, 1)
    assert terraform.plan() == {}


def test_a_stream_deleted_by_hand_comes_back(queue, terraform):
    made = queue("dev/lost/jobs")
    use(made["url"], lambda client: client.jetstream().delete_stream(made["stream"]))
    assert terraform.plan() == {RESOURCE: ["create"]}
    terraform.apply()
    use(terraform.outputs()["it"]["url"], lambda client: client.jetstream().publish("jobs", b"again"))


def test_a_stream_changed_by_hand_is_repaired(queue, terraform):
    made = queue("dev/bent/jobs")
    use(made["url"], lambda c: c.jetstream().update_stream(name=made["stream"], subjects=["jobs"], max_bytes=2**20))
    assert terraform.plan() == {RESOURCE: ["update"]}
    terraform.apply()
    assert terraform.plan() == {}


def test_messages_survive_a_crash_of_the_server(queue, terraform, services, machine):
    made = queue("dev/crash/jobs")
    use(made["url"], lambda client: client.jetstream().publish("jobs", b"kept"))
    machine.kill("nats")
    services.queues.server.doubt()
    assert terraform.plan() == {}
    info = use(made["url"], lambda client: client.jetstream().stream_info(made["stream"]))
    assert info.state.messages == 1


def test_destroyed_it_is_gone(queue, terraform, services):
    made = queue("dev/gone/jobs")
    terraform.destroy()
    with pytest.raises(Error):
        use(made["url"], lambda client: client.flush())
    assert Address("dev", "gone", "jobs") not in services.queues.all()
    assert not (services.queues.server.directory / "data" / "jetstream" / made["stream"]).exists()


@pytest.mark.parametrize("inputs", [{"max_size": "64"}, {"max_size": "1Ki"}, {"max_age": "a week"}, {"retention": "x"}])
def test_bad_input_is_refused(terraform, inputs):
    terraform.write(call(MODULE, "dev/bad/jobs", **inputs))
    result = terraform.run("plan", "-input=false", "-no-color", ok=(1,))
    assert f"{next(iter(inputs))} " in result.stderr
