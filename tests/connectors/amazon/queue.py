"""A queue as SQS keeps it, on a real socket, for notifications to go to and to be taken out of."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from connectors.amazon.simulator import AmazonSimulator
from tests.connectors.farend import SimulatedFarEnd

REGION = "us-east-1"


class Sqs:
    """One queue. `settings` is what leads a connector there."""

    def __init__(self, address: str) -> None:
        self.client: Any = _session().client(
            "sqs", region_name=REGION, endpoint_url=address, aws_access_key_id="test", aws_secret_access_key="test"
        )
        self.name = f"queue-{uuid.uuid4().hex[:12]}"
        self.url: str = self.client.create_queue(QueueName=self.name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:123456789012:{self.name}"
        self.settings = {"queue_url": self.url, "aws_region": REGION, "sqs_url": address}

    def send(self, body: str) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def left(self) -> int:
        """Messages that nobody has deleted, seen or unseen."""
        wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=wanted)["Attributes"]
        return sum(int(found[name]) for name in wanted)


@cache
def _session() -> Any:
    """One for all queues: each new one reads the SDK's own descriptions, for a tenth of a second."""
    return boto3.session.Session()


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The address of a simulated AWS."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def sqs(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sqs]:
    """A queue of its own for every test; who may ask is found AWS's own way."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    queue = Sqs(aws)
    yield queue
    queue.client.delete_queue(QueueUrl=queue.url)
    queue.client.close()


class Queued(SimulatedFarEnd):
    """A far end whose channel puts its messages into a queue."""

    def __init__(self, simulator: AmazonSimulator, queue: Sqs) -> None:
        super().__init__(simulator)
        self._queue = queue

    def enqueue(self, number: str) -> None:
        simulator = self.simulator
        message = simulator.notifications.message(simulator.book.orders[number], "S") if number else "{"
        self._queue.send(message)

    def queued(self) -> int:
        return self._queue.left()
