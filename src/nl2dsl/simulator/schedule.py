"""A virtual clock and tasks on it: work that waits takes no time, and what runs side by side is interleaved the same way every time.

In: generators that yield seconds to sleep or an `Event` to wait for. Out: their effects, in the order of virtual time; what is due at the same time runs
in the order in which it was started.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator
from datetime import datetime, timedelta
from itertools import count

Task = Generator["float | Event", None, None]


class Event:
    """Something tasks wait for; set once."""

    def __init__(self) -> None:
        self.is_set = False
        self.waiting: list[Task] = []


class Clock:
    """Runs tasks until none is left. `start` is the moment of second 0."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.seconds = 0.0
        self._due: list[tuple[float, int, Task]] = []
        self._order = count()

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds)

    def spawn(self, task: Task, delay: float = 0.0) -> None:
        heapq.heappush(self._due, (self.seconds + delay, next(self._order), task))

    def set(self, event: Event) -> None:
        event.is_set = True
        for task in event.waiting:
            self.spawn(task)
        event.waiting.clear()

    def run(self) -> None:
        """Whatever a task raises ends everything and is raised here."""
        while self._due:
            self.seconds, _, task = heapq.heappop(self._due)
            try:
                wish = next(task)
            except StopIteration:
                continue
            if isinstance(wish, Event):
                if wish.is_set:
                    self.spawn(task)
                else:
                    wish.waiting.append(task)
            else:
                self.spawn(task, max(wish, 0.0))

    def close(self) -> None:
        """Drops what is left."""
        for _, _, task in self._due:
            task.close()
        self._due.clear()
