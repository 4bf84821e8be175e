"""From a ranked session to the list that subscribers and pollers receive: pure, ids and time come in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas import recommendation
from schemas.recommendation import PUBLISHED, Model, Recommendation, TriggeredBy
from schemas.session import Session, Trigger
from serving.ranking.ranker import Ranked
from serving.state.sessions import Draft


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is the same for every list, and where time and new ids come from."""

    clickstream: str
    recommendations: str
    now: Callable[[], int]
    new_id: Callable[[], str]


def draft(
    session_id: str, session: Session, trigger: Trigger, ranked: Ranked, model: Model, around: Surroundings
) -> Draft:
    """The placement `default`: 60 ranked items are kept, 30 of them published."""
    body = Recommendation(
        recommendation_id=around.new_id(),
        session_id=session_id,
        session_started=session.started,
        session_version=session.version,
        generated_at=around.now(),
        trigger=TriggeredBy.of(trigger, around.clickstream),
        model=model,
        items=ranked.items[:PUBLISHED],
        pool_size=ranked.pool_size,
        fallback=ranked.fallback,
    )
    return Draft(
        session_id=session_id,
        started=session.started,
        version=session.version,
        trigger=trigger.position,
        trigger_ts=trigger.ts,
        clicked_at=trigger.record_time,
        head=recommendation.unrevised(body),
        more=recommendation.spares(ranked.items),
        applied=session.guards,
        vector=ranked.vector,
        vector_tag=f"{session.version} {model.version}",
    )
