"""Telling people: what happened is read from the record, put into the outbox, and taken to where it goes.

Nothing that happens waits for it. A place that does not answer is tried again for a day, its messages one after the
other, while those for all other places go on.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from pave.apply.retry import Transient, delay
from pave.engine.signals.notices import notices
from pave.engine.world import World
from pave.model.diagnostics import Refused
from pave.model.snapshot import Snapshot
from pave.observe.routing import Notice, ways
from pave.ports import INBOX, Delivered, Event, Message

GIVE_UP = timedelta(hours=24)
"""How long after its time a message is tried."""
MEMORY = timedelta(days=30)
MOST_TOGETHER = 50
"""Messages in one delivery."""
_CLAIM = timedelta(minutes=2)
_LOOK_SECONDS = 1.0
_MIRROR = timedelta(minutes=1)
_ENDED = timedelta(minutes=5)
_SLOW_ROUNDS = 600
_AT_ONCE = 8
_BATCH = 500
_MOST_RECIPIENTS = 50
_log = logging.getLogger(__name__)


def look(world: World) -> bool:
    """Read what happened since the last look, and put what follows into the outbox; whether an alert was among it."""
    mark = world.outbox.mark()
    if mark is None:  # what was before the first look is nobody's news
        world.outbox.set_mark(world.events.last())
        return True
    alerts = False
    while events := world.events.read(mark, limit=_BATCH):
        snapshot = world.snapshots.current()
        for event in events:
            alerts |= event.type.startswith("alert.")
            try:
                put(world, snapshot, event)
            except Exception:  # noqa: BLE001 — what is wrong with one event must not silence all others
                _log.exception("What is to be said of event %s (%s) is not known", event.id, event.type)
        mark = events[-1].id
        world.outbox.set_mark(mark)
    return alerts


def put(world: World, snapshot: Snapshot, event: Event) -> int:
    """Put what is to be said of one event into the outbox; how many messages are new."""
    now = world.clock.now()
    return sum(
        world.outbox.put(messages_of(world, snapshot, event, notice, now)) for notice in notices(world, snapshot, event)
    )


def messages_of(world: World, snapshot: Snapshot, event: Event, notice: Notice, now: datetime) -> Iterator[Message]:
    """A notice as messages, one a way."""
    for number, way in enumerate(ways(notice, snapshot.notifications, snapshot.entities, now)):
        if number > _MOST_RECIPIENTS:
            return
        courier = world.couriers.get(way.type)
        if way.type != INBOX and courier is None:
            continue  # this platform has no such channel: the inbox says it
        yield Message(
            key=f"{notice.key}/{way.recipient}/{way.channel}",
            recipient=way.recipient,
            channel=way.channel,
            type=way.type,
            address=way.address,
            topic=notice.topic,
            event=event.type,
            subject=notice.subject,
            title=notice.title[:300],
            text=notice.text[:4000],
            severity=notice.severity,
            facts={key: value for key, value in notice.facts.items() if value},
            links=notice.links,
            data={"event": event.id, "at": event.at.isoformat(), **notice.data},
            together=way.together,
            created_at=now,
            due_at=way.due,
            state=Delivered.SENT if way.type == INBOX else Delivered.WAITING,
            sent_at=now if way.type == INBOX else None,
        )


class Notifier:
    """Reads, and delivers: at most eight places at the same time, each of them once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stop = threading.Event()
        self._changed = threading.Event()
        self._busy: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pave-courier")
        loops: dict[str, Callable[[], object]] = {"pave-notifying": self._rounds}
        loops |= {"pave-mirroring": self._mirror_rounds} if world.mirror is not None else {}
        self._threads = [threading.Thread(target=loop, name=name, daemon=True) for name, loop in loops.items()]

    def start(self) -> None:
        """Begin with what is left of before."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop; what is under way is delivered or, after the next start, delivered again."""
        self._stop.set()
        self._changed.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for thread in self._threads:
            thread.join(timeout=30)

    def deliver(self) -> None:
        """Begin to deliver all that is due."""
        now = self._world.clock.now()
        with self._lock:
            busy = set(self._busy)
        by_place: defaultdict[tuple[str, str], list[Message]] = defaultdict(list)
        for one in self._world.outbox.due(now, busy):
            by_place[one.destination].append(one)
        for place, messages in by_place.items():
            with self._lock:
                if self._stop.is_set() or place in self._busy:
                    continue
                self._busy.add(place)
                self._pool.submit(self._to, place, messages)

    def _to(self, place: tuple[str, str], messages: list[Message]) -> None:
        try:
            for batch in batches(messages):
                if self._stop.is_set() or not deliver(self._world, batch):
                    return
        except Exception:  # noqa: BLE001 — one place must not stop the others
            _log.exception("What was to be said at %s met an error", place[0])
        finally:
            with self._lock:
                self._busy.discard(place)

    def _rounds(self) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                with self._world.pulse.beat("notifier", self._world.clock.now):
                    if look(self._world):
                        self._changed.set()
                    self.deliver()
                if number % _SLOW_ROUNDS == 0:
                    self._world.outbox.forget(self._world.clock.now() - MEMORY)
            except Exception:  # noqa: BLE001 — one bad round must not end all later ones
                _log.exception("A round of notifying failed; the next one tries again")
            number += 1
            self._stop.wait(_LOOK_SECONDS)

    def _mirror_rounds(self) -> None:
        while not self._stop.is_set():
            self._changed.clear()
            try:
                show(self._world)
            except Exception as problem:  # noqa: BLE001 — it is shown again in a minute
                _log.warning("The alerts cannot be shown elsewhere: %s", problem)
            self._changed.wait(_MIRROR.total_seconds())


def show(world: World) -> None:
    """Have the mirror show what fires and has just ended; what is silenced here is not shown there."""
    assert world.mirror is not None
    now = world.clock.now()
    silences = world.alerts.silences(now)
    shown = [
        one
        for one in world.alerts.all()
        if (one.on or (one.resolved_at is not None and now - one.resolved_at < _ENDED))
        and not any(silence.covers(one.rule, one.subject) for silence in silences)
    ]
    world.mirror.show(shown, now)


def batches(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Messages for one place as deliveries: what is to come together, and the rest one by one."""
    together = [one for one in messages if one.together]
    for one in messages:
        if not one.together:
            yield [one]
    for start in range(0, len(together), MOST_TOGETHER):
        yield together[start : start + MOST_TOGETHER]


def deliver(world: World, messages: Sequence[Message]) -> bool:
    """Say messages as one delivery; whether the place answers."""
    now = world.clock.now()
    mine = world.outbox.claim([one.key for one in messages], now, now + _CLAIM)
    messages = [one for one in messages if one.key in mine]
    if not messages:
        return True
    keys, first = [one.key for one in messages], messages[0]
    courier = world.couriers.get(first.type)
    problem = courier.problem(first.address) if courier else f"there is no channel of the type {first.type}"
    if courier is None or problem:
        _give_up(world, messages, problem)
        return True
    try:
        courier.deliver(first.address, messages)
    except Refused as refused:
        _give_up(world, messages, str(refused))
        return True
    except Exception as found:  # noqa: BLE001 — whatever a place does, its messages are tried again and then given up
        return _later(world, messages, found)
    world.outbox.sent(keys, world.clock.now())
    return True


def _later(world: World, messages: Sequence[Message], problem: Exception) -> bool:
    now = world.clock.now()
    said = str(problem) if isinstance(problem, Transient) else f"{type(problem).__name__}: {problem}"
    over = [one for one in messages if now - (one.created_at or now) > GIVE_UP + _waited(one)]
    if over:
        _give_up(world, over, f"{said} (given up after {max(one.attempts for one in over) + 1} attempts)")
    rest = [one for one in messages if one not in over]
    if rest:
        attempts = max(one.attempts for one in rest) + 1
        wait = max(delay(attempts), problem.seconds if isinstance(problem, Transient) else 0.0)
        world.outbox.again([one.key for one in rest], now + timedelta(seconds=wait), said)
    return False


def _waited(one: Message) -> timedelta:
    """What held a message back by itself, quiet hours or a digest, is not held against its place."""
    return timedelta(days=4) if one.together else timedelta(0)


def _give_up(world: World, messages: Sequence[Message], problem: str) -> None:
    """What does not arrive is said in the record and in the list; nobody is notified of a notification."""
    world.outbox.give_up([one.key for one in messages], problem)
    for one in messages:
        _log.warning("%s was not told at %s: %s", one.recipient.short, one.channel, problem)
        world.events.emit(
            "notification.failed", one.subject, recipient=str(one.recipient), channel=one.channel, problem=problem[:300]
        )
