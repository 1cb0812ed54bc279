"""Clients that keep a service busy and remember what they were told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

from service import Service, an_application

CLIENTS = 8


class Load:
    """Clients that ask one after another until they are told to stop, each under ids of its own.

    With `outcomes`, each application that was answered is told to have gone bad at once.
    """

    def __init__(self, service: Service, *, name: str = "load", outcomes: bool = False) -> None:
        self.service, self.name, self.outcomes = service, name, outcomes
        self.answers: dict[str, dict[str, Any]] = {}
        self.labelled: set[str] = set()
        self.failures: list[int | None] = []  # status of each answer that was none; None: the connection broke
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, answers: int) -> None:
        """Until so many were answered."""
        end = time.monotonic() + 120
        while len(self.answers) < answers:
            assert time.monotonic() < end, f"{len(self.answers)} answers, {self.failures[:5]}"
            time.sleep(0.01)

    def _client(self, number: int) -> None:
        asked = 0
        while not self._stopped.is_set():
            key, asked = f"{self.name}-{number}-{asked}", asked + 1
            with self._broken_connections():
                status, answer, _ = self.service.ask("/predict", an_application(asked % 500, prediction_id=key))
                if status != 200:
                    self.failures.append(status)
                    continue
                self.answers[key] = answer
                if (
                    self.outcomes
                    and self.service.ask("/labels", {"labels": [{"prediction_id": key, "label": 1}]})[0] == 200
                ):
                    self.labelled.add(key)

    @contextmanager
    def _broken_connections(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, HTTPException):  # no answer was given
            self.failures.append(None)
            time.sleep(0.02)
