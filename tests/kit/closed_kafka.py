"""A real Kafka that asks everybody who they are, and lets them do what its ACLs say.

One listener for each way to ask, and a plain one for the test's own hands, which may do anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from kafka import KafkaAdminClient
from kafka.admin import ACL

from nextclick.servers import LOOPBACK, Guardian, free_port
from schemas.setting import Secret
from schemas.settings import Settings
from tests.kit import kafka_jars
from tests.kit.authority import Authority
from tests.kit.kafka_server import PROPERTIES, KafkaServer

#: Who there is; each has its name in capitals with -PASSWORD behind it.
PRINCIPALS: Final = tuple(f"nextclick-{role}" for role in ("worker", "endpoint", "catalog", "operator", "topics"))
#: How they may be asked, by the name of the setting, and the listener that asks so.
_LISTENERS: Final = {"sasl_ssl": "SECURE", "ssl": "MUTUAL", "sasl_plaintext": "BARE"}

# What stands below stands in for what PROPERTIES says of the same. A client's certificate is its principal by name.
_CLOSED: Final = """\
listeners=BROKER://{{host}}:{{port}},CONTROLLER://{{host}}:{{controller}},{listeners}
advertised.listeners=BROKER://{{host}}:{{port}},{listeners}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,MUTUAL:SSL,BARE:SASL_PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={key_store}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
ssl.principal.mapping.rules=RULE:^CN=(.*)$/$1/
listener.name.mutual.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config={scram} required;
listener.name.bare.scram-sha-512.sasl.jaas.config={scram} required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""
_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"


class ClosedKafka:
    def __init__(self, guardian: Guardian, authority: Authority) -> None:
        """It has a certificate for its address alone, and not for any name of it."""
        self._authority = authority
        self._ports = {security: free_port() for security in _LISTENERS}
        closed = _CLOSED.format(
            listeners=",".join(f"{_LISTENERS[each]}://{LOOPBACK}:{port}" for each, port in self._ports.items()),
            key_store=authority.issue("broker").in_one(),
            authority=authority.certificate,
            scram=_SCRAM,
        )
        self._server = KafkaServer(
            guardian,
            kafka_jars.fetch(os.environ),
            "closed-kafka",
            PROPERTIES + closed,
            tuple(f"SCRAM-SHA-512=[name={name},password={password(name)}]" for name in PRINCIPALS),
        )
        self.hands = KafkaAdminClient(bootstrap_servers=self.open_servers)

    @property
    def open_servers(self) -> str:
        return self._server.servers

    def servers(self, security: str) -> str:
        """Where it is spoken to so."""
        return self.open_servers if security == "plaintext" else f"{LOOPBACK}:{self._ports[security]}"

    def settings(self, settings: Settings, principal: str) -> Settings:
        """Those of a process that logs in as one of PRINCIPALS."""
        return replace(
            settings,
            kafka=self.servers("sasl_ssl"),
            kafka_security="sasl_ssl",
            kafka_user=principal,
            kafka_password=Secret(password(principal)),
            kafka_ca=str(self._authority.certificate),
        )

    def allow(self, rights: Iterable[ACL]) -> None:
        self.hands.create_acls(list(rights))

    def forbid(self, right: ACL) -> None:
        self.hands.delete_acls([right])

    def close(self) -> None:
        self.hands.close()
        self._server.kill()


def password(principal: str) -> str:
    return f"{principal.upper()}-PASSWORD"
