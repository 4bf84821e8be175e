"""Every request's way: found, admitted, understood, answered, and counted.

What is raised below becomes the one shape of a problem here. What nobody foresaw becomes a 500 without a
word of what we look like inside; the log has the rest.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from schemas.errors import ServiceError
from serving.http import beacon
from serving.http.admission import Admission
from serving.http.begun import Begun
from serving.http.metrics import Metrics
from serving.http.operations import Answer, Operation
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.http.response import Headers, Response

log = logging.getLogger(__name__)

_NO_SUCH_ADDRESS: Final = Refused(404, "not_found", "there is no such address; /docs tells which there are")
_UNFORESEEN: Final = Refused(500, "defect", "it is in our log; nothing about your request needs to change")
_RETRY: Final = (("Retry-After", "1"),)
_ANYBODY: Final = Admission(Caller())
#: A request's path is shown in the metrics by its operation, since anything else is the client's to choose.
_ELSEWHERE: Final = "elsewhere"


class Guards(Protocol):
    """Who may ask, how often, and from which pages."""

    def admit(self, request: Request, *, stream: bool) -> Admission: ...

    def admit_beacon(self, key: str, token: str, request: Request) -> Admission: ...

    def headers(self, request: Request) -> Headers: ...

    def preflight(self, request: Request, methods: Collection[str]) -> Response | None: ...


@dataclass(frozen=True, slots=True)
class _Route:
    """One address, and what can be done there."""

    pattern: re.Pattern[str]
    methods: Mapping[str, Operation[Any]]


class App:
    def __init__(self, operations: Iterable[Operation[Any]], guard: Guards, metrics: Metrics) -> None:
        by_path: dict[str, dict[str, Operation[Any]]] = {}
        for operation in operations:
            by_path.setdefault(operation.path, {})[operation.method] = operation
        self._fixed = {path: _Route(re.compile(re.escape(path)), each) for path, each in by_path.items()}
        self._routes = [_Route(next(iter(each.values())).pattern, each) for each in by_path.values()]
        self._guard = guard
        self._metrics = metrics

    async def __call__(self, request: Request) -> Answer:
        began = time.perf_counter()
        name = _ELSEWHERE
        try:
            operation, named = self._found(request)
            name = operation.path
            answer = await self._answer(operation, named, request)
        except Refused as refused:
            answer = refused.response()
        except _Preflight as preflight:
            answer = preflight.response
        except ServiceError:
            answer = Refused(503, "unavailable", "try again", headers=_RETRY).response()
        except Exception:  # the outermost edge: one client's request must not end the others'
            log.exception("a request failed on a defect")
            answer = _UNFORESEEN.response()
        status, waited_s = (answer.status, answer.waited_s) if isinstance(answer, Response) else (200, 0.0)
        self._metrics.answered.add(name, status, time.perf_counter() - began - waited_s)
        return answer.bearing(self._guard.headers(request))

    def _answer(
        self, operation: Operation[Any], named: Mapping[str, str], request: Request
    ) -> Coroutine[Any, Any, Answer]:
        admission = self._admitted(operation, request)
        answer = self._meanwhile if operation.asks_at_once else self._then
        return answer(operation, named, request, admission)

    async def _then(
        self, operation: Operation[Any], named: Mapping[str, str], request: Request, admission: Admission
    ) -> Answer:
        await admission.counted()
        return await operation.answer(operation.parse(named, request.query), request, admission.caller)

    async def _meanwhile(
        self, operation: Operation[Any], named: Mapping[str, str], request: Request, admission: Admission
    ) -> Answer:
        """Both questions to Redis go out together. Who is over the limit is told nothing else."""
        try:
            answering = Begun(operation.answer(operation.parse(named, request.query), request, admission.caller))
        except Refused:
            await admission.counted()
            raise
        try:
            await admission.counted()
        except BaseException:
            answering.close()
            raise
        return await answering

    def _admitted(self, operation: Operation[Any], request: Request) -> Admission:
        if operation.public:
            return _ANYBODY
        if beacon.MEDIA_TYPE in operation.bodies and beacon.is_one(request):
            sent = beacon.read(request)
            return self._guard.admit_beacon(sent.key, sent.token, request)
        return self._guard.admit(request, stream=operation.is_stream)

    def _found(self, request: Request) -> tuple[Operation[Any], Mapping[str, str]]:
        route, named = self._route(request.path)
        method = "GET" if request.method == "HEAD" else request.method
        operation = route.methods.get(method)
        if operation is not None and (request.method == method or not operation.is_stream):
            return operation, named
        has_head = any(each.method == "GET" and not each.is_stream for each in route.methods.values())
        allowed = sorted({*route.methods, "OPTIONS"} | ({"HEAD"} if has_head else set()))
        if request.method == "OPTIONS":
            raise _Preflight(
                self._guard.preflight(request, route.methods) or Response(204, headers=(("Allow", ", ".join(allowed)),))
            )
        raise Refused(405, "method", "`Allow` tells which", headers=(("Allow", ", ".join(allowed)),))

    def _route(self, path: str) -> tuple[_Route, Mapping[str, str]]:
        if path in self._fixed:
            return self._fixed[path], {}
        for route in self._routes:
            found = route.pattern.fullmatch(path)
            if found is not None:
                return route, found.groupdict()
        raise _NO_SUCH_ADDRESS


class _Preflight(Exception):
    """An answer that no operation gives."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response
