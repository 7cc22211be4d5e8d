from __future__ import annotations

import datetime

from nettrain.disk import Disk
from nettrain.record.events import Events, read_events


def test_events_can_be_read_at_once(tmp_path):
    path = tmp_path / "events.jsonl"
    events = Events(Disk(), path)
    events.append("started", threads=1)
    (event,) = read_events(Disk(), path)
    assert (event["event"], event["threads"]) == ("started", 1)
    assert datetime.datetime.fromisoformat(event["time"]).tzinfo is not None
    events.close()


def test_line_of_a_killed_process_is_ended_and_passed_over(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event":"started"}\n{"event":"sav')
    events = Events(Disk(), path)
    events.append("resumed")
    events.append("finished")
    events.close()
    names = [event["event"] for event in read_events(Disk(), path)]
    assert names == ["started", "resumed", "finished"]
