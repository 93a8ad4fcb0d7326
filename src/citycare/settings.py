"""Settings: read from the environment once, handed down as values. See docs/settings.md."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from citycare.kit.migrate import APP

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "citycare"  # its name on the embedded server


class SettingsWrong(ValueError):
    """A setting is not one of ours, or cannot be read. The sentence says which."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every knob there is. The metadata help is the documentation (a test compares)."""

    home: Path = field(
        metadata={"env": "CITYCARE_HOME", "help": "where the embedded database and secrets live"}
    )
    database_url: str | None = field(
        metadata={
            "env": "CITYCARE_DATABASE_URL",
            "help": "a real PostgreSQL server; empty: the embedded one",
        }
    )
    city: str = field(metadata={"env": "CITYCARE_CITY", "help": "name of the city in page titles"})
    base_url: str = field(
        metadata={"env": "CITYCARE_BASE_URL", "help": "the address people see, for links"}
    )
    field_keys: Path | None = field(
        metadata={
            "env": "CITYCARE_FIELD_KEYS",
            "help": "keys of encrypted fields, a file that must be there; "
            "empty: `secrets/fields.keys` in the home, made at the first start",
        }
    )
    proxies: tuple[IPv4Network | IPv6Network, ...] = field(
        metadata={
            "env": "CITYCARE_PROXIES",
            "help": "addresses or networks of your own proxies, spaces between: "
            "whose `X-Forwarded-For` is believed",
        }
    )
    receivers: tuple[IPv4Network | IPv6Network, ...] = field(
        metadata={
            "env": "CITYCARE_RECEIVERS",
            "help": "networks, spaces between, in which receivers of subscriptions may be private "
            "and without TLS; in the demo this machine",
        }
    )
    demo: bool = field(
        metadata={"env": "CITYCARE_DEMO", "help": "1: development sign-in and demo banner"}
    )
    oidc_issuer: str | None = field(
        metadata={"env": "CITYCARE_OIDC_ISSUER", "help": "OIDC provider; empty in the demo"}
    )
    oidc_client_id: str = field(
        metadata={"env": "CITYCARE_OIDC_CLIENT_ID", "help": "our client id at that provider"}
    )
    oidc_client_secret: str = field(
        repr=False,
        metadata={"env": "CITYCARE_OIDC_CLIENT_SECRET", "help": "our secret at that provider"},
    )
    triage_model_url: str | None = field(
        metadata={
            "env": "CITYCARE_TRIAGE_MODEL_URL",
            "help": "a language model (OpenAI protocol, up to `/v1`) that may propose questions to "
            "the triage; it gets what residents write, so let it be your own; empty: none",
        }
    )
    triage_model: str = field(
        metadata={"env": "CITYCARE_TRIAGE_MODEL", "help": "the model's name at that server"}
    )
    triage_model_key: str = field(
        repr=False,
        metadata={"env": "CITYCARE_TRIAGE_MODEL_KEY", "help": "our key at that server"},
    )

    @property
    def migrations(self) -> Path:
        """Where the migrations lie."""
        return ROOT / "migrations"

    @property
    def knowledge(self) -> Path:
        """Where the knowledge of the triage lies."""
        return ROOT / "knowledge"


LOOPBACK = "127.0.0.0/8 ::1/128"


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        SettingsWrong: one cannot be read, or an unknown CITYCARE_ name: that is a typing error.
    """
    known = {str(knob.metadata["env"]) for knob in Settings.__dataclass_fields__.values()}
    unknown = {name for name in environment if name.startswith("CITYCARE_")} - known
    if unknown:
        names = ", ".join(sorted(unknown))
        raise SettingsWrong(f"unknown settings: {names}; see docs/settings.md")
    get = environment.get
    demo = get("CITYCARE_DEMO", "") == "1"
    return Settings(
        home=Path(get("CITYCARE_HOME", str(ROOT / ".var"))),
        database_url=get("CITYCARE_DATABASE_URL") or None,
        city=get("CITYCARE_CITY", "上海"),
        base_url=get("CITYCARE_BASE_URL", "http://127.0.0.1:8000"),
        field_keys=Path(named) if (named := get("CITYCARE_FIELD_KEYS")) else None,
        proxies=_networks(get("CITYCARE_PROXIES", "")),
        receivers=_networks(get("CITYCARE_RECEIVERS", LOOPBACK if demo else "")),
        demo=demo,
        oidc_issuer=get("CITYCARE_OIDC_ISSUER") or None,
        oidc_client_id=get("CITYCARE_OIDC_CLIENT_ID", "citycare"),
        oidc_client_secret=get("CITYCARE_OIDC_CLIENT_SECRET", ""),
        triage_model_url=get("CITYCARE_TRIAGE_MODEL_URL") or None,
        triage_model=get("CITYCARE_TRIAGE_MODEL", ""),
        triage_model_key=get("CITYCARE_TRIAGE_MODEL_KEY", ""),
    )


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(word) for word in text.split())
    except ValueError as error:
        raise SettingsWrong(f"CITYCARE_PROXIES: {error}; see docs/settings.md") from error


def embedded_of(settings: Settings) -> Embedded | None:
    """Return the embedded server, or None when a real one is named."""
    return None if settings.database_url else Embedded(settings.home / "postgres")


def database_of(settings: Settings, *, size_max: int = 8) -> Database:
    """Return the pool as the application's role; on a real server by SET ROLE."""
    embedded = embedded_of(settings)
    if embedded is None:
        assert settings.database_url is not None
        return Database(settings.database_url, size_max=size_max, role=APP)
    return Database(embedded.url(DATABASE, user=APP), size_max=size_max)


def owner_url(settings: Settings) -> str:
    """Return the connection string that may migrate."""
    embedded = embedded_of(settings)
    return settings.database_url or (embedded.url(DATABASE) if embedded else "")
