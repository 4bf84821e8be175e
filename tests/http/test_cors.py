"""Pages of the shop may ask; others' pages learn nothing, not even that they were refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.http.cors import Cors
from serving.http.request import Request

SHOP = "https://shop.example"
CORS = Cors([SHOP, "https://m.shop.example:8443"])


def asked(method: str = "GET", **headers: str) -> Request:
    return Request(method, "/v1/events", headers={name.replace("_", "-"): value for name, value in headers.items()})


def preflight(origin: str) -> Request:
    return asked("OPTIONS", origin=origin, access_control_request_method="POST")


def test_an_origin_on_the_list_may_read_answers_and_what_they_say_of_themselves() -> None:
    told = dict(CORS.headers(asked(origin=SHOP)))

    assert told["Access-Control-Allow-Origin"] == SHOP
    assert {"ETag", "Nextclick-Behind", "Retry-After"} <= set(told["Access-Control-Expose-Headers"].split(", "))


@given(
    st.text()
    | st.sampled_from(
        ["null", "*", "http://shop.example", "https://shop.example.evil.example", "https://SHOP.example", SHOP + "/"]
    )
)
def test_any_other_origin_is_told_nothing_and_repeated_nowhere(origin: str) -> None:
    headers = CORS.headers(asked(origin=origin))
    answer = CORS.preflight(preflight(origin), ["POST"])

    assert headers == CORS.headers(asked())
    assert answer is not None
    assert (answer.status, answer.body, answer.headers) == (204, b"", ())
    assert not any(name.startswith("Access-Control") for name, _ in headers)


@pytest.mark.parametrize("origin", [SHOP, "https://evil.example", ""])
def test_every_answer_varies_by_origin(origin: str) -> None:
    assert dict(CORS.headers(asked(origin=origin)))["Vary"] == "Origin"


def test_nobody_may_send_credentials() -> None:
    answer = CORS.preflight(preflight(SHOP), ["GET", "POST"])

    assert answer is not None
    names = [name for name, _ in (*answer.headers, *CORS.headers(asked(origin=SHOP)))]
    assert "Access-Control-Allow-Credentials" not in names


def test_a_preflight_is_answered_for_ten_minutes_with_what_the_address_knows() -> None:
    answer = CORS.preflight(preflight(SHOP), ["OPTIONS", "PUT", "POST", "GET"])

    assert answer is not None
    assert answer.status == 204
    assert dict(answer.headers) == {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "X-Api-Key, X-Session-Token, Content-Type, If-None-Match, Last-Event-ID",
        "Access-Control-Max-Age": "600",
    }


@pytest.mark.parametrize(
    "other", [asked(origin=SHOP, access_control_request_method="GET"), asked("OPTIONS", origin=SHOP), asked("OPTIONS")]
)
def test_what_is_no_preflight_is_left_to_others(other: Request) -> None:
    assert CORS.preflight(other, ["GET"]) is None


def test_without_a_list_no_origin_may_read_anything() -> None:
    assert not any(name.startswith("Access-Control") for name, _ in Cors([]).headers(asked(origin="")))
