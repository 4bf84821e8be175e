"""Laws of the settings."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from schemas import settings as settings_module
from schemas.errors import SettingsError
from schemas.settings import RedisUrl, Settings
from serving.http import keys

#: As pages of a shop show it.
KEY = keys.made(bytes(24))


def test_the_environment_wins_over_the_file_and_the_file_over_the_default() -> None:
    read = Settings.read({"NEXTCLICK_GROUP": "from-environment"}, {"group": "from-file", "partitions": 3})

    assert read.group == "from-environment"
    assert read.partitions == 3
    assert read.queue_max == Settings().queue_max


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("NEXTCLICK_KAFKA", "no-port", "host:port"),
        ("NEXTCLICK_KAFKA", "", "host:port"),
        ("NEXTCLICK_KAFKA", "localhost:99999", "host:port"),
        ("NEXTCLICK_KAFKA", "localhost:0", "host:port"),
        ("NEXTCLICK_KAFKA", "a:9092,b:65536", "1 to 65535"),
        ("NEXTCLICK_REDIS", "http://localhost", "redis://"),
        ("NEXTCLICK_REDIS", "redis://host:notaport", "redis://"),
        ("NEXTCLICK_REDIS", "redis://host:99999", "redis://"),
        ("NEXTCLICK_REDIS", "redis://host:0", "redis://"),
        ("NEXTCLICK_REDIS", "redis://user@host:99999", "redis://"),
        ("NEXTCLICK_REDIS", "redis://host/abc", "db is a number"),
        ("NEXTCLICK_REDIS", "redis://host/0/1", "db is a number"),
        ("NEXTCLICK_REDIS", "redis+cluster://host/1", "of a cluster 0"),
        ("NEXTCLICK_TOPIC_EPOCH", "0BADCAFE", "lower-case"),
        ("NEXTCLICK_TOPIC_PREFIX", "a b", "letters"),
        ("NEXTCLICK_TOPIC_EPOCH", "xyz", "8 hexadecimal"),
        ("NEXTCLICK_PARTITIONS", "0", "1 to 1024"),
        ("NEXTCLICK_PARTITIONS", "many", "1 to 1024"),
        ("NEXTCLICK_RETRY_BUDGET_S", "60", "1 to 55"),
        ("NEXTCLICK_LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("NEXTCLICK_GROUP", "line\nbreak", "letters"),
        ("NEXTCLICK_SECURITY", "maybe", "one of on, off"),
        ("NEXTCLICK_SITE_KEYS", f"web:{'0' * 63}", "64 hexadecimal digits"),
        ("NEXTCLICK_CORS_ORIGINS", "*", "https://host"),
        ("NEXTCLICK_CORS_ORIGINS", "https://shop.example/", "https://host"),
        ("NEXTCLICK_CORS_ORIGINS", "https://*.shop.example", "https://host"),
        ("NEXTCLICK_TRUSTED_PROXIES", "10.0.0.1/8", "networks"),
        ("NEXTCLICK_TRUSTED_PROXIES", "proxy.example", "networks"),
        ("NEXTCLICK_KEY_LIMIT", "0/1", "PER_SECOND/BURST"),
        ("NEXTCLICK_SESSION_LIMIT", "2", "PER_SECOND/BURST"),
        ("NEXTCLICK_ADDRESS_LIMIT", "100000/1", "PER_SECOND/BURST"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({name: value}, {})

    said = str(refused.value)
    assert name in said
    assert repr(value) in said
    assert allowed in said


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match="NEXTCLICK_KAFAK"):
        Settings.read({"NEXTCLICK_KAFAK": "x:1"}, {})
    with pytest.raises(SettingsError, match="kafak"):
        Settings.read({}, {"kafak": "x:1"})


def test_what_belongs_to_others_is_left_alone() -> None:
    assert Settings.read({"PATH": "/bin", "NEXTCLICK_TEST_KAFKA": "x:1"}, {}) == Settings()


def test_a_password_is_never_shown() -> None:
    read = Settings.read({"NEXTCLICK_REDIS": "rediss://user:hunter2@host:6380/1"}, {})

    assert read.redis.reveal() == "rediss://user:hunter2@host:6380/1"
    for text in (str(read.redis), repr(read.redis), repr(read), str(read.shown()), f"{read.redis}"):
        assert "hunter2" not in text


@pytest.mark.parametrize(
    "wrong",
    [
        "redis://user:hunter2@host:port",
        "redis://:hunter2@host:99999",
        "redis://:hunt@er2:hunter2@host/abc",
        "redis://host/abc?password=hunter2",
        "redis://user:hunter2@[host",
        "http://user:hunter2@host",
    ],
)
def test_a_password_is_not_shown_when_its_address_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({"NEXTCLICK_REDIS": wrong}, {})
    assert "hunter2" not in str(refused.value)


def test_a_password_among_the_options_is_not_shown() -> None:
    read = Settings.read({"NEXTCLICK_REDIS": "rediss://host/0?ssl_ca_certs=ca.pem&password=hunter2"}, {})
    assert "hunter2" not in f"{read.redis} {read.redis!r}"


def test_an_address_with_a_password_may_lie_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "redis").write_text("rediss://user:hunter2@host:6380/1\n", encoding="utf-8")
    read = Settings.read({"NEXTCLICK_REDIS": f"@{tmp_path}/redis"}, {})

    assert read.redis.reveal() == "rediss://user:hunter2@host:6380/1"


@pytest.mark.parametrize(("held", "said"), [(None, "No such file"), ("hunter2", "rediss://"), ("", "rediss://")])
def test_a_file_that_holds_no_address_is_named_and_not_shown(held: str | None, said: str, tmp_path: Path) -> None:
    if held is not None:
        (tmp_path / "redis").write_text(held, encoding="utf-8")
    with pytest.raises(SettingsError, match="NEXTCLICK_REDIS") as refused:
        Settings.read({"NEXTCLICK_REDIS": f"@{tmp_path}/redis"}, {})
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)


SECRETS = f"t1:{'hidden' * 6},t2:{'hidden' * 7}"


def test_what_tokens_are_signed_with_is_never_shown() -> None:
    read = Settings.read({"NEXTCLICK_TOKEN_SECRETS": SECRETS}, {})

    assert read.token_secrets.reveal() == SECRETS
    shown = read.token_secrets
    for text in (str(shown), repr(shown), f"{shown}", f"{shown:>9}", repr(read), str(read.shown())):
        assert "hidden" not in text


@pytest.mark.parametrize("wrong", ["hidden", "t1:hidden", f"{SECRETS},hidden", f":{'hidden' * 6}", "@hidden"])
def test_what_tokens_are_signed_with_is_not_shown_when_it_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError, match="TOKEN_SECRETS") as refused:
        Settings.read({"NEXTCLICK_TOKEN_SECRETS": wrong}, {})
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    ["redis://host", "redis://host/", "redis://host:6379/15", "redis+cluster://host:1", "redis+cluster://[::1]:1/0"],
)
def test_a_redis_address_may_leave_out_what_is_usual(address: str) -> None:
    assert Settings.read({"NEXTCLICK_REDIS": address}, {}).redis.reveal() == address


@pytest.mark.parametrize("address", ["h:1", "h:65535", "a-b.c:9092,[::1]:9093"])
def test_a_kafka_address_may_have_any_port_there_is(address: str) -> None:
    assert Settings.read({"NEXTCLICK_KAFKA": address}, {}).kafka == address


def test_a_cluster_address_says_so() -> None:
    assert RedisUrl("redis+cluster://host:1").is_cluster
    assert not RedisUrl("redis://host:1").is_cluster


@pytest.mark.parametrize("name", [each.name for each in fields(Settings)])
def test_settings_do_not_change_once_read(name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(Settings(), name, "other")


def test_the_documented_settings_are_the_ones_in_force() -> None:
    documented = Path(__file__).parents[2] / "docs" / "configuration.md"

    assert documented.read_text("utf-8") == settings_module.reference(), "run `make docs`"


LOGIN = {
    "NEXTCLICK_KAFKA_SECURITY": "sasl_ssl",
    "NEXTCLICK_KAFKA_USER": "worker",
    "NEXTCLICK_KAFKA_PASSWORD": "hunter2",
}


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (LOGIN | {"NEXTCLICK_KAFKA_USER": ""}, "set NEXTCLICK_KAFKA_USER"),
        (LOGIN | {"NEXTCLICK_KAFKA_PASSWORD": ""}, "set NEXTCLICK_KAFKA_PASSWORD"),
        (LOGIN | {"NEXTCLICK_KAFKA_SECURITY": "plaintext"}, "NEXTCLICK_KAFKA_SECURITY=sasl_ssl"),
        (LOGIN | {"NEXTCLICK_KAFKA_SECURITY": "ssl"}, "NEXTCLICK_KAFKA_SECURITY=sasl_ssl"),
        ({"NEXTCLICK_KAFKA_CA": "ca.pem"}, "NEXTCLICK_KAFKA_SECURITY=ssl"),
        ({"NEXTCLICK_KAFKA_CERTIFICATE": "worker.pem"}, "NEXTCLICK_KAFKA_SECURITY=ssl"),
        (
            {"NEXTCLICK_KAFKA_SECURITY": "ssl", "NEXTCLICK_KAFKA_CERTIFICATE_KEY": "worker.key"},
            "set NEXTCLICK_KAFKA_CERTIFICATE",
        ),
    ],
)
def test_settings_of_kafka_that_do_not_fit_are_refused_with_what_to_do(given: dict[str, str], advice: str) -> None:
    with pytest.raises(SettingsError, match=advice) as refused:
        Settings.read(given, {})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("security", ["sasl_plaintext", "sasl_ssl"])
def test_a_password_of_kafka_is_never_shown(security: str) -> None:
    read = Settings.read(LOGIN | {"NEXTCLICK_KAFKA_SECURITY": security}, {})
    assert read.kafka_password.reveal() == "hunter2"
    assert "hunter2" not in f"{read} {read.shown()}"
    with pytest.raises(SettingsError, match="KAFKA_PASSWORD") as refused:
        Settings.read(LOGIN | {"NEXTCLICK_KAFKA_PASSWORD": "hunter2\n"}, {})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("given", ["pub_the-key-itself", KEY, f"web:{KEY}", f"web:{'0' * 64},new:{KEY}"])
def test_a_site_key_in_the_place_of_its_entry_is_told_so(given: str) -> None:
    with pytest.raises(SettingsError, match="NEXTCLICK_SITE_KEYS holds a key itself; .* printed its entry too"):
        Settings.read({"NEXTCLICK_SITE_KEYS": given}, {})


def test_an_entry_may_have_the_name_of_a_key() -> None:
    entry = keys.entry("pub_web", KEY)
    assert Settings.read({"NEXTCLICK_SITE_KEYS": entry}, {}).site_keys == entry
