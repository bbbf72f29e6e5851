"""The queue's connections on the real Valkey: what is lost is made again, however often."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import dramatiq
import pytest
import redis
from dramatiq.message import Message

from oee_daemon.queue.queue_broker import QUEUE, open_broker, ring, ring_all
from oee_daemon.queue.queue_connection import TIMEOUT_S, FireAndForget
from oee_daemon.queue.queue_consumer import AWAY_S, BlockingFetch
from oee_daemon.queue.queue_threads import SPARE
from tests.kit.daemons import until

#: More than a pool of redis-py ever makes.
OFTEN = 120


def test_a_connection_that_was_lost_a_hundred_times_still_brings_messages(redis_url: str) -> None:
    broker = open_broker(redis_url)
    fetch = BlockingFetch(broker, QUEUE)
    for _ in range(OFTEN):
        assert fetch.wait(0, room=1, look=5) == []
        fetch.close()
    order_id = uuid4()
    assert ring(broker, order_id)
    (found,) = fetch.wait(5, room=10, look=5)
    assert Message.decode(found).args == (str(order_id),)
    fetch.end()
    broker.close()


def test_one_answer_brings_all_that_waits_and_there_is_room_for(redis_url: str) -> None:
    broker = open_broker(redis_url)
    fetch = BlockingFetch(broker, QUEUE)
    sent = [uuid4() for _ in range(5)]
    ring_all(broker, sent)
    first = fetch.wait(5, room=3, look=5)
    rest = fetch.wait(5, room=SPARE, look=5)
    assert [Message.decode(found).args[0] for found in first + rest] == [str(i) for i in sent]
    fetch.end()
    broker.close()


def test_a_queue_that_answers_with_errors_is_left_alone_for_a_moment(redis_url: str) -> None:
    broker = open_broker(redis_url)
    fetch = BlockingFetch(broker, QUEUE)
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"oee:{QUEUE}", "no list")
        asked = client.info("commandstats").get("cmdstat_blmove", {"calls": 0})["calls"]
        for _ in range(OFTEN):
            assert fetch.wait(0.001, room=1, look=5) == []
        more = client.info("commandstats")["cmdstat_blmove"]["calls"] - asked
        # Each look lasted a millisecond, and each error keeps it away for many of them.
        assert 1 <= more <= 1 + OFTEN * 0.05 / AWAY_S
        client.delete(f"oee:{QUEUE}")
    ring(broker, uuid4())
    assert any(fetch.wait(1, room=1, look=5) for _ in range(3))
    fetch.end()
    broker.close()


def test_a_way_that_was_lost_a_hundred_times_still_leads_there(redis_url: str) -> None:
    way = FireAndForget(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        for _ in range(OFTEN):
            way.send("INCR", "sent")
            way.close()
        with client.pubsub() as channel:
            channel.subscribe("end")
            channel.get_message(timeout=5)
            way.send("PUBLISH", "end", "!")
            assert channel.get_message(timeout=5) is not None
        assert client.get("sent") == str(OFTEN).encode()
    way.close()


def test_a_way_whose_server_went_away_is_made_anew(redis_url: str) -> None:
    way = FireAndForget(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        way.send("SET", "first", "1")
        client.client_kill_filter(_type="normal", skipme=True)
        with client.pubsub() as channel:
            channel.subscribe("end")
            channel.get_message(timeout=5)
            # The kernel may tell of the end only after one more write.
            for _ in range(3):
                way.send("PUBLISH", "end", "!")
            assert channel.get_message(timeout=5) is not None
    way.close()


def test_what_is_sent_at_once_never_waits_and_what_was_taken_arrives(redis_url: str) -> None:
    way = FireAndForget(redis_url)
    assert not way.send_at_once([("INCR", "at_once")]), "there is no connection yet"
    way.send("PING")
    with redis.Redis.from_url(redis_url) as client:
        client.client_pause(60_000, all=False)
        try:
            begun, taken = time.monotonic(), 0
            while way.send_at_once([("INCR", "at_once"), ("SET", "much", "x" * 4000)]):
                taken += 1
            assert 0 < taken < OFTEN * 100 and time.monotonic() - begun < TIMEOUT_S, "its buffer is full"
        finally:
            client.client_unpause()
        until(lambda: client.get("at_once") == str(taken).encode(), what="what was taken")
    way.close()
    assert not way.send_at_once([("INCR", "at_once")])


def test_a_way_to_nowhere_says_so_once_and_is_quiet_for_a_while() -> None:
    way = FireAndForget("unix:///nowhere/valkey.sock")
    with pytest.raises(redis.ConnectionError):
        way.send("PING")
    way.send("PING")


def test_dramatiq_in_a_folder_with_brackets_in_its_name_has_its_scripts(
    redis_url: str, tmp_path: Path
) -> None:
    place = tmp_path / "checkout [1]"
    place.mkdir()
    (place / "dramatiq").symlink_to(Path(dramatiq.__file__).parent)
    code = (
        f"import sys; sys.path.insert(0, {str(place)!r})\n"
        "from uuid import uuid4; import dramatiq\n"
        "from oee_daemon.queue.queue_broker import open_broker, ring\n"
        "print(ring(open_broker(sys.argv[1]), uuid4()), dramatiq.__file__)"
    )
    said = subprocess.check_output([sys.executable, "-c", code, redis_url], text=True, timeout=60)
    assert said == f"True {place}/dramatiq/__init__.py\n"
