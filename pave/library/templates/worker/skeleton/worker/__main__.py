"""Take jobs from the queue, one after the other, until asked to stop: `python -m worker`."""

import asyncio
import logging
import os
import signal

import nats
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NothingThere
from nats.js.api import ConsumerConfig

from worker.jobs import Job, Unreadable, handle

TRIES = 5
RETRY_SECONDS = 10
"""A job that failed is tried again after this time, at most `TRIES` times in all."""

log = logging.getLogger("worker")


async def main() -> None:
    """Work until SIGTERM; the job at hand is finished first."""
    stop = asyncio.Event()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_, stop.set)

    connection = await nats.connect(os.environ["NATS_URL"], name="${{ values.name }}", max_reconnect_attempts=-1)
    jobs = await connection.jetstream().pull_subscribe(
        "",  # everything in the stream
        durable="${{ values.name }}",
        stream=os.environ["NATS_STREAM"],
        config=ConsumerConfig(max_deliver=TRIES, ack_wait=60),
    )
    log.info("waiting for jobs")
    while not stop.is_set():
        try:
            [message] = await jobs.fetch(1, timeout=1)
        except NothingThere:
            continue
        await work_on(message)
    await connection.flush()
    await connection.close()
    log.info("stopped")


async def work_on(message: Msg) -> None:
    """Handle one message and say what became of it, so that the queue knows whether to send it again."""
    try:
        await handle(Job.read(message.data))
    except Unreadable as problem:
        log.error("put aside: %s", problem)
        await message.term()
    except Exception:
        log.exception("failed, try %d of %d", message.metadata.num_delivered, TRIES)
        await message.nak(delay=RETRY_SECONDS)
    else:
        await message.ack()


logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
asyncio.run(main())
