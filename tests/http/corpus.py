"""What strangers send: each with the name of what is wrong with it, and with a mark that no answer may repeat."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

#: In everything that a client could hope to see again.
MARK: Final = b"zqxMARKzqx"

_HOST: Final = b"Host: shop.example\r\n"
_LIST: Final = b"/v1/recommendations/nobody"


@dataclass(frozen=True)
class Sent:
    name: str
    data: bytes
    #: It is odd and not wrong: any answer but a 5xx will do.
    odd: bool = False


def _get(path: bytes, *headers: bytes, version: bytes = b"HTTP/1.1", host: bytes = _HOST) -> bytes:
    return b"GET %b %b\r\n%b%b\r\n" % (path, version, host, b"".join(header + b"\r\n" for header in headers))


def _post(body: bytes, *headers: bytes, path: bytes = b"/v1/events", length: bytes | None = None) -> bytes:
    said = (b"Content-Type: application/json", *headers, b"Content-Length: %b" % (length or b"%d" % len(body)))
    return b"POST %b HTTP/1.1\r\n%b%b\r\n\r\n%b" % (path, _HOST, b"\r\n".join(said), body)


def _chunked(body: bytes, *headers: bytes) -> bytes:
    said = (b"Content-Type: application/json", *headers, b"Transfer-Encoding: chunked")
    return b"POST /v1/events HTTP/1.1\r\n%b%b\r\n\r\n%b" % (_HOST, b"\r\n".join(said), body)


#: What a server that reads a message's end otherwise than its proxy takes for the next request.
_SMUGGLED: Final = b"GET /docs?" + MARK + b" HTTP/1.1\r\n" + _HOST + b"\r\n"

LINES: Final = [
    Sent("a line break in the path", _get(b"/v1/" + MARK + b"\r\nX-Set: " + MARK)),
    Sent("an encoded line break in the path", _get(b"/v1/recommendations/a%0d%0aX-Set:%20" + MARK)),
    Sent("an encoded line break in the query", _get(_LIST + b"?placement=a%0d%0aX-Set:%20" + MARK)),
    Sent("an encoded line break in a parameter's name", _get(_LIST + b"?a%0d%0a" + MARK + b"=1")),
    Sent("a NUL in the path", _get(b"/v1/\0" + MARK)),
    Sent("an encoded NUL in the path", _get(b"/v1/recommendations/%00" + MARK)),
    Sent("a space in the path", _get(b"/v1/ " + MARK)),
    Sent("a tab in the path", _get(b"/v1/\t" + MARK)),
    Sent("an address of 3 KiB", _get(_LIST + b"?exclude=" + MARK * 300)),
    Sent("an address of 1 MiB", _get(b"/" + MARK * 100_000)),
    Sent("an address without an end", b"GET /" + MARK * 10_000),
    Sent("a method nobody knows", b"ZAP%b / HTTP/1.1\r\n%b\r\n" % (MARK, _HOST)),
    Sent("a method without an end", MARK * 10_000),
    Sent("a method in lower case", b"get %b HTTP/1.1\r\n%b\r\n" % (_LIST, _HOST)),
    Sent("TRACE", b"TRACE %b HTTP/1.1\r\n%bX-Mark: %b\r\n\r\n" % (_LIST, _HOST, MARK)),
    Sent("CONNECT", b"CONNECT %b:443 HTTP/1.1\r\n%b\r\n" % (MARK, _HOST)),
    Sent("a method that the address does not know", b"PUT %b HTTP/1.1\r\n%b\r\n" % (_LIST, _HOST)),
    Sent("no version", b"GET /docs\r\n"),
    Sent("no version, and headers", b"GET /docs\r\n" + _HOST + b"\r\n"),
    Sent("HTTP/0.9", _get(b"/docs", version=b"HTTP/0.9")),
    Sent("HTTP/2.0", _get(b"/docs", version=b"HTTP/2.0")),
    Sent("HTTP/1.2", _get(b"/docs", version=b"HTTP/1.2")),
    Sent("HTTP/11", _get(b"/docs", version=b"HTTP/11")),
    Sent("a version that is none", _get(b"/docs", version=b"HTTP/" + MARK)),
    Sent("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)),
    Sent("a TLS greeting", bytes.fromhex("16030100c8010000c40303") + MARK * 20),
    Sent("a Redis command", b"*1\r\n$4\r\nPING\r\n"),
    Sent("only line breaks", b"\r\n" * 200),
    Sent("a path above the root", _get(b"/../../etc/passwd?" + MARK)),
    Sent("an encoded path above the root", _get(b"/v1/recommendations/..%2f..%2fetc%2f" + MARK)),
    Sent("an address of another host", _get(b"http://" + MARK + b".example/docs")),
    Sent("no address", b"GET  HTTP/1.1\r\n" + _HOST + b"\r\n"),
    Sent("an asterisk for an address", _get(b"*")),
    Sent("a fragment", _get(_LIST + b"#" + MARK), odd=True),
]

TEXTS: Final = [
    Sent("bytes that are no UTF-8 in the path", _get(b"/v1/recommendations/\xff\xfe" + MARK)),
    Sent("encoded bytes that are no UTF-8 in the path", _get(b"/v1/recommendations/%ff%fe" + MARK)),
    Sent("encoded bytes that are no UTF-8 in the query", _get(_LIST + b"?placement=%ff" + MARK)),
    Sent("an overlong encoding", _get(b"/v1/recommendations/%c0%af" + MARK)),
    Sent("half a surrogate", _get(b"/v1/recommendations/%ed%a0%80" + MARK)),
    Sent("a percent sign that encodes nothing", _get(b"/v1/recommendations/%zz" + MARK)),
    Sent("UTF-8 in the path as it is", _get("/v1/recommendations/é".encode() + MARK)),
    Sent("an unknown parameter", _get(_LIST + b"?" + MARK + b"=1")),
    Sent("markup in an unknown parameter", _get(_LIST + b"?%3Cscript%3E" + MARK + b"=1")),
    Sent("a parameter twice", _get(_LIST + b"?limit=5&limit=6&" + MARK)),
    Sent("hundreds of parameters", _get(_LIST + b"?" + b"&".join(b"%b%d=1" % (MARK[:3], n) for n in range(129)))),
    Sent("a number that is none", _get(_LIST + b"?limit=" + MARK)),
    Sent("a number of twenty digits", _get(_LIST + b"?limit=99999999999999999999")),
    Sent("a negative number", _get(_LIST + b"?limit=-1")),
    Sent("a number that is not whole", _get(_LIST + b"?limit=1.5")),
    Sent("not a number", _get(_LIST + b"?limit=NaN")),
    Sent("digits of another script", _get(_LIST + b"?limit=%D9%A5")),
    Sent("a session id of 129 characters", _get(b"/v1/recommendations/" + b"a" * 129)),
    Sent("a session id of 1,900 characters", _get(b"/v1/recommendations/" + MARK * 190)),
    Sent("a session id with a brace", _get(b"/v1/recommendations/%7B" + MARK + b"%7D")),
    Sent("a session id with a star", _get(b"/v1/recommendations/*" + MARK)),
    Sent("no session id", _get(b"/v1/recommendations/?" + MARK)),
    Sent("an address that there is not", _get(b"/v1/" + MARK)),
]

HEADERS: Final = [
    Sent("a NUL in a header", _get(_LIST, b"X-Mark: \0" + MARK)),
    Sent("a NUL in a header's name", _get(_LIST, b"X-\0Mark: " + MARK)),
    Sent("a carriage return in a header", _get(_LIST, b"X-Mark: a\rX-Set: " + MARK)),
    Sent("a line of a header that is no header", _get(_LIST, MARK)),
    Sent("a header without a name", _get(_LIST, b": " + MARK)),
    Sent("a space before a header's colon", _get(_LIST, b"X-Mark : " + MARK)),
    Sent("a header that goes on in the next line", _get(_LIST, b"X-Mark: a\r\n " + MARK)),
    Sent("a header of 9 KiB", _get(_LIST, b"X-Mark: " + MARK * 900)),
    Sent("a header of 1 MiB", _get(_LIST, b"X-Mark: " + MARK * 100_000)),
    Sent("a header's name of 20 KiB", _get(_LIST, MARK * 2_000 + b": 1")),
    Sent("a header without an end", _get(_LIST)[:-2] + b"X-Mark: " + MARK * 2_000),
    Sent("1,000 headers", _get(_LIST, *(b"X-%d: %b" % (n, MARK) for n in range(1_000)))),
    Sent("no host", _get(_LIST, host=b"")),
    Sent("two hosts", _get(_LIST, b"Host: " + MARK + b".example")),
    Sent("an empty host", _get(_LIST, host=b"Host:\r\n"), odd=True),
    Sent("a host that is none", _get(_LIST, host=b"Host: a/" + MARK + b"@b\r\n"), odd=True),
    Sent("a wish for another protocol", _get(_LIST, b"Connection: Upgrade", b"Upgrade: " + MARK), odd=True),
    Sent("a wish for HTTP/2", _get(_LIST, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"), odd=True),
    Sent("a wish for a web socket", _get(_LIST, b"Connection: Upgrade", b"Upgrade: websocket"), odd=True),
    Sent("an expectation nobody meets", _get(_LIST, b"Expect: " + MARK), odd=True),
    Sent("a known answer that is none", _get(_LIST, b'If-None-Match: "' + MARK + b'", *, W/"'), odd=True),
    Sent("an origin that is none", _get(_LIST, b"Origin: " + MARK), odd=True),
    Sent("a key that is no text", _get(_LIST, b"X-Api-Key: \xff\xfe" + MARK), odd=True),
    Sent("a token that is no text", _get(_LIST, b"X-Session-Token: 1.\xff." + MARK), odd=True),
    Sent("an address that is none", _get(_LIST, b"X-Forwarded-For: 999.1.1, " + MARK + b", ::g"), odd=True),
    Sent("bytes above ASCII in a header", _get(_LIST, b"X-Mark: \xc3\xa9\xff" + MARK), odd=True),
    Sent("ranges", _get(_LIST, b"Range: bytes=" + b"0-," * 500), odd=True),
    Sent("a connection header with everything", _get(_LIST, b"Connection: close, keep-alive, " + MARK), odd=True),
]

#: Where one request ends: of each at most one answer may come, or somebody else's request could be answered.
LENGTHS: Final = [
    Sent("a length and chunks", _chunked(b"0\r\n\r\n" + _SMUGGLED, b"Content-Length: 4")),
    Sent("chunks and a length", _post(b"0\r\n\r\n" + _SMUGGLED, b"Transfer-Encoding: chunked", length=b"4")),
    Sent("two lengths", _post(b"[]" + _SMUGGLED, b"Content-Length: 60", length=b"2")),
    Sent("the same length twice", _post(b"[]", b"Content-Length: 2") + _SMUGGLED),
    Sent("two lengths in one header", _post(b"[]" + _SMUGGLED, length=b"2, 60")),
    Sent("a length with a sign", _post(b"[]" + _SMUGGLED, length=b"+2")),
    Sent("a negative length", _post(b"[]" + _SMUGGLED, length=b"-2")),
    Sent("a length in hexadecimal", _post(b"[]" + _SMUGGLED, length=b"0x2")),
    Sent("a length with an underscore", _post(b"[]" + _SMUGGLED, length=b"0_2")),
    Sent("a length with a space in it", _post(b"[]" + _SMUGGLED, length=b"2 2")),
    Sent("an empty length", _post(b"[]" + _SMUGGLED, length=b" ")),
    Sent("a length of digits of another script", _post(b"[]" + _SMUGGLED, length="٢".encode())),
    Sent("a length of 10 GB", _post(b"[]", length=b"10000000000")),
    Sent("a length of 30 digits", _post(b"[]", length=b"9" * 30)),
    Sent("a length just past the limit", _post(b"[]", length=b"50000000")),
    Sent("an encoding nobody knows", _chunked(b"0\r\n\r\n" + _SMUGGLED, b"Transfer-Encoding: x" + MARK)),
    Sent("chunks twice", _chunked(b"0\r\n\r\n" + _SMUGGLED, b"Transfer-Encoding: chunked")),
    Sent("chunks that are not last", _chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked, identity") + _SMUGGLED),
    Sent("chunks spelt with a vertical tab", _post(b"0\r\n\r\n" + _SMUGGLED, b"Transfer-Encoding:\x0bchunked")),
    Sent("chunks with a space before the colon", _post(b"0\r\n\r\n" + _SMUGGLED, b"Transfer-Encoding : chunked")),
    Sent("an encoding by another name", _post(b"0\r\n\r\n" + _SMUGGLED, b"Transfer_Encoding: chunked"), odd=True),
    Sent("chunks in HTTP/1.0", _chunked(b"0\r\n\r\n" + _SMUGGLED).replace(b"HTTP/1.1", b"HTTP/1.0", 1)),
    Sent("a chunk's size that is none", _chunked(b"zz\r\n[]\r\n0\r\n\r\n" + _SMUGGLED)),
    Sent("a negative chunk", _chunked(b"-2\r\n[]\r\n0\r\n\r\n" + _SMUGGLED)),
    Sent("a chunk past all bounds", _chunked(b"FFFFFFFFFFFFFFFFF\r\n[]\r\n0\r\n\r\n" + _SMUGGLED)),
    Sent("a chunk's size with 0x", _chunked(b"0x2\r\n[]\r\n0\r\n\r\n" + _SMUGGLED)),
    Sent("a chunk that is longer than it says", _chunked(b"1\r\n[]\r\n0\r\n\r\n" + _SMUGGLED)),
    Sent("a chunk's line that ends in a bare line feed", _chunked(b"2\n[]\r\n0\r\n\r\n" + _SMUGGLED)),
    Sent("a chunk's extension of 64 KiB", _chunked(b"2;" + MARK * 6_500 + b"\r\n[]\r\n0\r\n\r\n"), odd=True),
    Sent("400,000 chunks of a byte", _chunked(b"1\r\n \r\n" * 400_000 + b"0\r\n\r\n")),
    Sent("headers that end in bare line feeds", _get(_LIST).replace(b"\r\n", b"\n") + _SMUGGLED),
    Sent("headers that end in bare carriage returns", _get(_LIST).replace(b"\r\n", b"\r") + _SMUGGLED),
]

BODIES: Final = [
    Sent("an empty body", _post(b"")),
    Sent("a body that is no JSON", _post(MARK)),
    Sent("half a body of JSON", _post(b'[{"event_id": "' + MARK)),
    Sent("a body that is no UTF-8", _post(b'{"event_id": "\xff' + MARK + b'"}')),
    Sent("UTF-16", _post('{"event_id": "e"}'.encode("utf-16"))),
    Sent("half a surrogate in a text", _post(rb'{"event_id": "\ud800' + MARK + b'"}')),
    Sent("100,000 brackets", _post(b"[" * 100_000)),
    Sent("objects 10,000 deep", _post(b'{"a":' * 10_000 + b"1" + b"}" * 10_000)),
    Sent("not a number, and infinity", _post(b'{"ts": NaN, "a": Infinity}')),
    Sent("a number of 100,000 digits", _post(b'{"ts": ' + b"9" * 100_000 + b"}")),
    Sent("a text", _post(b'"' + MARK + b'"')),
    Sent("null", _post(b"null")),
    Sent("an unknown kind", _post(b"[]").replace(b"application/json", b"application/x-" + MARK)),
    Sent("no kind", _post(b"[]").replace(b"Content-Type: application/json\r\n", b""), odd=True),
    Sent("a form", _post(b"a=" + MARK).replace(b"application/json", b"application/x-www-form-urlencoded")),
    Sent("a body that is compressed", _post(b"\x1f\x8b\x08\0" + MARK, b"Content-Encoding: gzip")),
    Sent("a body past the limit", _post(b"[" + b" " * 2_000_000 + b"]")),
    Sent("a body past the limit in chunks", _chunked(b"1e8480\r\n" + b" " * 2_000_000 + b"\r\n0\r\n\r\n")),
    Sent("a body where none is taken", _post(b"[]", path=_LIST)),
    Sent("a member of another name", _post(b'{"%b": 1}' % MARK)),
]

ALL: Final = [*LINES, *TEXTS, *HEADERS, *LENGTHS, *BODIES]


def altered(count: int, seed: int) -> list[Sent]:
    """More of them, of which nobody knows beforehand what is wrong: bytes flipped, cut out, doubled, put elsewhere."""
    chance = random.Random(seed)
    plain = [each for each in ALL if len(each.data) < 8_192]
    return [
        Sent(f"number {n} of seed {seed}", _alter(chance.choice(plain).data, chance), odd=True) for n in range(count)
    ]


def _alter(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        at, size = chance.randrange(len(data) + 1), chance.randint(1, 16)
        piece = data[at : at + size]
        way = chance.randrange(4)
        if way == 0:
            data = data[:at] + chance.randbytes(len(piece)) + data[at + size :]
        elif way == 1:
            data = data[:at] + data[at + size :]
        elif way == 2:
            data = data[:at] + piece * 2 + data[at + size :]
        else:
            data = data[:at] + chance.choice((b"\r\n", b"\0", b"\n", b" ", b":", b"\xff", b"%00")) + data[at:]
    return data
