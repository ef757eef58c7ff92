"""Features from texts and pictures: encoders through transformers, and nobody else imports it."""

from orchestrator.encoding.run import Encoded, encode
from orchestrator.encoding.settings import Settings

__all__ = ["Encoded", "Settings", "encode"]
