"""The docs: one HTML page that needs nothing but itself, from what openapi.json says and nothing else."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable

import msgspec

from schemas.markup import Markup, element, joined
from serving.http import openapi, problems
from serving.http.document import Answer, Body, Described, Document, Parameter
from serving.http.shapes import anchor, phrase, prose, rows
from serving.http.style import STYLE


def page(document: Document) -> str:
    told = [(method.upper(), path, each) for path, item in document.paths.items() for method, each in item.items()]
    title = f"{document.info.title}: the API"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", STYLE),
    )
    body = element(
        "body",
        element("header", element("h1", title), element("p", document.info.description), _contents(told)),
        element(
            "main",
            _beginning(told, document),
            *(_operation(method, path, each, document) for method, path, each in told),
            _errors(document),
            _types(document),
        ),
    )
    return joined(Markup("<!doctype html>\n"), element("html", head, body, lang="en"), "\n")


def _contents(told: Iterable[tuple[str, str, Described]]) -> Markup:
    links = [
        element(
            "li",
            element("b", method, class_="method"),
            element("a", path, href=f"#{each.operation_id}"),
            " ",
            element("span", each.summary, class_="soft"),
        )
        for method, path, each in told
    ]
    more = [("beginning", "Before the first request"), ("errors", "Errors"), ("types", "Types")]
    rest = [element("li", element("a", text, href=f"#{where}")) for where, text in more]
    return element("nav", element("ul", rest[0], *links, *rest[1:]), aria_label="Contents")


def _beginning(told: Iterable[tuple[str, str, Described]], document: Document) -> Markup:
    named = {each.name for _, _, operation in told for each in operation.parameters if each.place == "path"}
    lines = ["export NEXTCLICK=http://localhost:8080  # where this page is, without /docs", "export KEY=… TOKEN=…"]
    lines += [f"export {name.upper()}=…" for name in sorted(named)]
    schemes = [
        element(
            "tr",
            element("th", element("code", scheme["name"]), element("small", f"in the {scheme['in']}")),
            element("td", scheme["description"]),
        )
        for scheme in document.components.security_schemes.values()
    ]
    return element(
        "section",
        element("h2", "Before the first request"),
        element("p", "The examples below run in a shell that knows where the endpoint is and who asks:"),
        element("pre", "\n".join(lines)),
        element("p", "A request proves itself with:"),
        element("table", *schemes),
        element(
            "p",
            "What a request may hold is all that is listed here: an unknown parameter is an error, so that a misspelt "
            "one is found at once.",
        ),
        id="beginning",
    )


def _operation(method: str, path: str, told: Described, document: Document) -> Markup:
    parts = [element("h2", element("b", method, class_="method"), element("code", path)), element("p", told.summary)]
    parts += [element("p", prose(text)) for text in told.description.split("\n\n") if text]
    parts += [element("pre", _curl(method, path, told))]
    if told.parameters:
        parts += [element("h3", "What to send"), element("table", *map(_parameter, told.parameters))]
    if isinstance(told.request_body, Body):
        parts += [element("h3", "Body"), element("table", *_bodies(told.request_body))]
    answered = [(status, each) for status, each in told.responses.items() if isinstance(each, Answer)]
    parts += [element("h3", "What comes back"), element("table", *(_answered(*each) for each in answered))]
    refused = ", ".join(status for status, each in told.responses.items() if not isinstance(each, Answer))
    parts += [element("p", "Or an ", element("a", "error", href="#errors"), f": {refused}.", class_="soft")]
    return element("section", *parts, id=told.operation_id)


def _parameter(told: Parameter) -> Markup:
    place = f"in the {told.place}" if told.required else f"in the {told.place}, may be left out"
    return element(
        "tr",
        element("th", element("code", told.name), element("small", place)),
        element("td", phrase(told.schema), element("p", prose(told.description)) if told.description else Markup("")),
    )


def _bodies(body: Body) -> list[Markup]:
    return [
        element("tr", element("th", element("code", media)), element("td", phrase(each.schema)))
        for media, each in body.content.items()
    ]


def _answered(status: str, answer: Answer) -> Markup:
    content = [
        joined(phrase(each.schema), *([] if media == "application/json" else [" as ", element("code", media)]))
        for media, each in answer.content.items()
    ]
    headers = [
        element("p", element("code", name), ": ", prose(each.description)) for name, each in answer.headers.items()
    ]
    return element(
        "tr",
        element("th", status, element("small", answer.description)),
        element("td", *(content or [Markup("no body")]), *headers),
    )


def _errors(document: Document) -> Markup:
    media = problems.MEDIA_TYPE.partition(";")[0]
    return element(
        "section",
        element("h2", "Errors"),
        element("p", "Every error has the same shape, ", element("code", media), " (RFC 9457): ",
                element("a", "Problem", href=f"#{anchor('Problem')}"), ". ", element("code", "type"),
                " is what a program looks at, ", element("code", "field"), " is what in the request it is about."),
        element("table", *(_answered(name.removeprefix("Problem"), each)
                           for name, each in document.components.responses.items())),
        id="errors",
    )  # fmt: skip


def _types(document: Document) -> Markup:
    parts = [element("h2", "Types")]
    for name, schema in document.components.schemas.items():
        parts += [element("h3", name, id=anchor(name))]
        parts += [element("p", schema["description"])] if "description" in schema else []
        parts += [element("table", *rows(schema)) if "properties" in schema else element("p", phrase(schema))]
    return element("section", *parts, id="types")


def _curl(method: str, path: str, told: Described) -> str:
    url = f"$NEXTCLICK{path}"
    for each in told.parameters:
        url = url.replace(f"{{{each.name}}}", f"${each.name.upper()}")
    query = [f"{each.name}=${each.name.upper()}" for each in told.parameters if each.place == "query" and each.required]
    said = ["curl"] if method in {"GET", "POST"} else [f"curl -X {method}"]
    headers = []
    if openapi.STREAM in _media(told):
        said, query = ["curl -N"], [*query, "key=$KEY", "token=$TOKEN"]
    elif told.security:
        headers = ['-H "X-Api-Key: $KEY"', '-H "X-Session-Token: $TOKEN"']
    if isinstance(told.request_body, Body):
        headers += _sent(told.request_body)
    address = f'"{url}?{"&".join(query)}"' if query else f'"{url}"'
    return " \\\n  ".join([f"{said[0]} {address}", *headers])


def _sent(body: Body) -> list[str]:
    media, content = next(iter(body.content.items()))
    example = content.example if content.example is not msgspec.UNSET else {}
    return [f"-H 'Content-Type: {media}'", f"-d {shlex.quote(json.dumps(example, ensure_ascii=False))}"]


def _media(told: Described) -> set[str]:
    return {media for each in told.responses.values() if isinstance(each, Answer) for media in each.content}
