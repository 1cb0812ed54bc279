"""`mend serve` with a constant for an answer and no log: what HTTP, validation and the response cost by themselves.

Run as a script, with the port. Routes, checks and server are the product's; only the answering is another.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from pipeline.cli_serve import serve
from pipeline.serving import app
from pipeline.serving.answering import AnsweringThread, Outcomes, Question
from pipeline.stores.prediction_log import Answer

CONSTANT = Answer(
    prediction_id="0" * 32,
    features="{}",
    model_version="1",
    model_sha256="0" * 64,
    score=0.0617283950617284,
    threshold=0.1234567901234568,
    decision=0,
    scored_at=datetime(2026, 1, 1, tzinfo=UTC),
)


class ConstantAnswering(AnsweringThread):
    """Answers at once, the same to everybody."""

    def ask(self, asked: Question | Outcomes) -> None:
        """Give the constant."""
        assert isinstance(asked, Question)
        asked.done([CONSTANT] * len(asked.rows))


if __name__ == "__main__":
    app.AnsweringThread = ConstantAnswering  # type: ignore[misc]
    serve(port=int(sys.argv[1]), address="127.0.0.1")
