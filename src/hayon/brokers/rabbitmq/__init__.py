"""The bell over RabbitMQ, by aio-pika used directly: its connections are never mended behind our back."""

from hayon.brokers.rabbitmq.broker import RabbitMQ
from hayon.brokers.rabbitmq.migrating import migrate
from hayon.brokers.rabbitmq.survey import Survey, survey
from hayon.brokers.rabbitmq.topology import NO_PLUGIN, Topology, lay_out
from hayon.brokers.rabbitmq.upkeep import setup, verify

__all__ = ["NO_PLUGIN", "RabbitMQ", "Survey", "Topology", "lay_out", "migrate", "setup", "survey", "verify"]
