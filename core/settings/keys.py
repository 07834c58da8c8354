"""What each configuration file may say. The text under a key is what editors show and what the examples explain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from core.model import MAX_QUANTITY
from core.settings.secret import EncryptionKey, Secret, key_of
from core.settings.wrong import wrong

NAME: Final = r"^[a-z0-9][a-z0-9_-]*$"
"""What a channel or a location may be called."""

_DATABASES: Final = "write sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"


class Table(BaseModel):
    """Base of every settings table: strict types, no unknown keys, immutable, no values in error texts."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_default=False,
    )


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, user = parts.hostname, parts.username
        _ = parts.port
    except ValueError:
        host, user = None, None
    if not host or parts.scheme not in ("http", "https") or any(letter.isspace() for letter in value):
        raise wrong("no web address", "write it in full, such as https://example.com")
    if user is not None:
        raise wrong("a web address may hold no user or password", "leave out what stands before the @")
    if parts.query or parts.fragment:
        raise wrong("a web address may hold no ? or #", "write only the part before it")
    return value.rstrip("/")


PLACEHOLDER: Final = object()
"""Marks a key, in its `Annotated`, whose examples only show the form: a channel whose file still holds one is told so
instead of being worked with."""

WebAddress = Annotated[str, AfterValidator(_web_address), Field(examples=["https://example.com"]), PLACEHOLDER]
"""An http or https address without user, query or fragment; a slash at its end is dropped."""

Instant = Annotated[
    AwareDatetime,
    AfterValidator(lambda value: value.astimezone(UTC)),
    Field(examples=[datetime(2026, 1, 31, tzinfo=UTC)]),
]
"""An instant with its zone, kept in UTC."""


def _buffer(value: object) -> object:
    if value == "auto" or (type(value) is int and 0 <= value <= MAX_QUANTITY):
        return value
    raise wrong("no buffer", 'write a whole number from 0, or "auto"')


class ChannelSettings(Table):
    """One seller account. A connector's `Settings` is a subclass with the keys its channel needs besides."""

    connector: Annotated[str, Field(min_length=1, examples=["shopify"])]
    """The plugin that speaks to the channel: shopify, amazon, walmart, sandbox or one you installed."""
    enabled: bool = True
    """false leaves the channel alone: nothing is pulled from it and nothing pushed to it."""
    mode: Literal["live", "shadow"] = "live"
    """shadow: everything is pulled and computed, and the channel is never told anything. `ordersync plan` shows what
    it would be told; for as long as you like to compare before you go live."""
    base_url: WebAddress | None = None
    """Address of the channel's API, where it is not the vendor's own: a simulator, a sandbox, a recording proxy."""
    auth_url: WebAddress | None = None
    """Address of the token service, where it is not the vendor's own."""
    poll_seconds: Annotated[int, Field(ge=1, le=86_400)] = 15
    """How often the channel is asked for changed orders, in seconds."""
    overlap_seconds: Annotated[int, Field(ge=0, le=86_400)] = 600
    """By how much one pull reaches back behind the last, as channels list some changes late. Repeats are dropped."""
    import_since: Instant | None = None
    """The first pull takes orders changed since this instant. Not set: since `look_back_days` ago."""
    look_back_days: Annotated[int, Field(ge=0, le=3650)] = 2
    """How far back the first pull reaches where `import_since` is not set."""
    locations: Annotated[
        Mapping[Annotated[str, Field(pattern=NAME)], str], Field(examples=[{"east": "", "west": ""}])
    ] = Field(default_factory=dict)
    """The locations that ship for this channel and the channel's own id of each; "" where the channel knows none."""
    buffer: Annotated[
        Annotated[int, Field(ge=0, le=MAX_QUANTITY)] | Literal["auto"], BeforeValidator(_buffer), Field(examples=[2])
    ] = 0
    """Safety stock: so many units of every item are never offered here. "auto": of each item as many as its demand at
    the other channels asks for until this one knows of it; see docs/stock.md."""
    buffer_quantile: Annotated[float, Field(ge=0.5, le=0.9999)] = 0.95
    """How often a buffer of "auto" has to suffice: 0.95 is in all but five of a hundred cases."""
    cap: Annotated[int, Field(ge=0, le=MAX_QUANTITY)] | None = Field(default=None, examples=[50])
    """Never offer more than this many units of an item, over all its places. Not set: no limit."""
    percent: Annotated[int, Field(ge=1, le=100)] = 100
    """Offer this share of what is left after buffer and cap, rounded down."""
    match: Literal["sku", "mapped"] = "sku"
    """sku: a channel SKU that equals an item's SKU is that item, unless mapped otherwise. mapped: only what was
    mapped by hand."""
    check_addresses: bool = True
    """Hold an order whose address cannot be right: something lacks, or its postal code is none of its region. Where
    that cannot be judged, nothing is held, and an address is never changed."""
    backorder: Literal["partial", "whole", "never"] = "partial"
    """What becomes of units that are ordered and not there. partial: they wait, and the order's other units ship.
    whole: the order ships when all of it is there. never: they are cancelled at once, as out of stock."""
    backorder_priority: Annotated[int, Field(ge=0, le=MAX_QUANTITY)] = 100
    """Who waits for stock gets it in turn: channels with a smaller number first, then what was to ship first."""
    backorder_cancel_days: Annotated[int, Field(ge=1, le=3650, examples=[30])] | None = None
    """Units that have waited for stock for so many days are cancelled, as out of stock. Not set: they wait on."""
    unpaid_expire_hours: Annotated[int, Field(ge=1, le=8760, examples=[48])] | None = None
    """Units promised to an order that is not paid or not confirmed are free for others after so many hours. Not set:
    they are kept for it for as long as it is open."""
    reconcile_hours: Annotated[int, Field(ge=0, le=8760)] = 24
    """How often orders and levels there are compared with ours, in hours. 0: only by `ordersync reconcile`."""
    push_levels: bool = True
    """Tell the channel how many units it may sell."""
    push_tracking: bool = True
    """Tell the channel which parcels left, and which of them never did after all."""
    push_cancellations: bool = True
    """Tell the channel of what was cancelled here. false: it waits, and the channel goes on showing it as open."""
    push_refunds: bool = True
    """Have the channel give back what was decided here. false: it waits."""
    acknowledge: bool = True
    """Tell the channel that orders were received, where it asks for that."""
    acknowledge_alert_minutes: Annotated[int, Field(ge=0, le=10_080)] = 60
    """So long before a channel stops waiting for an acknowledgement, `ordersync status` and the log say so."""

    @property
    def keeps_tokens(self) -> str:
        """The key that brings tokens which must be kept over restarts, encrypted; empty where there are none such."""
        return ""

    def since(self, now: datetime) -> datetime:
        """From when on the first pull at `now` takes orders in: aware, in UTC."""
        return self.import_since or (now.astimezone(UTC) - timedelta(days=self.look_back_days))


class WarehouseSettings(Table):
    """One warehouse or 3PL. A connector's `Settings` is a subclass with the keys it needs besides."""

    connector: Annotated[str, Field(min_length=1, examples=["filedrop"])]
    """The plugin that speaks to the warehouse: filedrop, http, amazon_mcf, shipstation,
    sandbox or one you installed."""
    enabled: bool = True
    """false leaves the warehouse alone: nothing is handed over and nothing is read."""
    base_url: WebAddress | None = None
    """Address of the warehouse's API, where it has one that is not the vendor's own."""
    auth_url: WebAddress | None = None
    """Address of the token service, where it is not the vendor's own."""
    poll_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    """How often the warehouse is asked what happened, in seconds. Work is handed over as soon as it is released."""
    locations: Annotated[Mapping[Annotated[str, Field(pattern=NAME)], str], Field(examples=[{"east": "WH-1"}])] = Field(
        default_factory=dict
    )
    """The locations it serves and the warehouse's own id of each. A location is served by one warehouse at most."""
    skus: Annotated[Mapping[str, str], Field(examples=[{"TEE-RED": "100-TEE-R"}])] = Field(default_factory=dict)
    """What the warehouse calls items, where that is not our SKU: ours, then its own."""
    key_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,12}$")] = "OS-"
    """What the numbers of our work orders begin with. Give each installation that uses the same account its own."""
    hand_over: bool = True
    """false: released work waits, and nothing is called back; what the warehouse tells is taken in all the same."""
    hand_over_since: Instant | None = None
    """Work released since this instant is handed over. Not set: since the first turn, as what was released before
    may be at the warehouse by other ways."""
    book_counts: bool = True
    """false: counts are kept and compared, and change no stock."""

    @property
    def keeps_tokens(self) -> str:
        """The key that brings tokens which must be kept over restarts, encrypted; empty where there are none such."""
        return ""

    @model_validator(mode="after")
    def _skus_are_told_apart(self) -> WarehouseSettings:
        twice = [sku for sku, times in Counter(self.skus.values()).items() if times > 1]
        if twice:
            raise wrong(f"skus names {twice[0]} for two items", "give each item a SKU of its own there")
        return self


def _database(text: str) -> str:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise wrong("no database url", _DATABASES) from None
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise wrong("this kind of database is not known", _DATABASES)
    if url.password or "password" in url.query:
        raise wrong("a password may not stand in the url", 'take it out and write password = "secret:NAME"')
    if url.drivername == "sqlite" and (url.host or url.username or url.database in (None, "", ":memory:")):
        raise wrong("the store needs a file", "write sqlite:///FILE")
    if url.drivername != "sqlite" and not url.database:
        raise wrong("the url names no database", "write postgresql+psycopg://USER@HOST/DATABASE")
    return text


class StoreSettings(Table):
    """Where everything is kept."""

    url: Annotated[
        str, AfterValidator(_database), Field(examples=["postgresql+psycopg://ordersync@localhost/ordersync"])
    ] = "sqlite:///ordersync.sqlite"
    """The database: a SQLite file (a relative path starts at the folder that holds the configuration folder) or
    PostgreSQL."""
    password: Secret | None = None
    """PostgreSQL's password, as a secret."""
    history_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """So long it is kept how promises moved and what channels were told, for `ordersync stock history`. What came and
    left is kept for ever."""
    encryption_key: EncryptionKey | None = None
    """What the store encrypts tokens with, as a secret: 32 random bytes, written as 64 hexadecimal digits or in base64.
    Make one with `openssl rand -hex 32` and keep a copy apart from the store's backups. Not set: tokens live in memory,
    and channels whose tokens must outlive a restart are left out."""
    encryption_keys_old: Annotated[tuple[EncryptionKey, ...], Field(examples=[["secret:ORDERSYNC_OLD_KEY"]])] = ()
    """Former encryption keys, as secrets: what they encrypted can still be read. To change the key, move the present
    one here; it may go once every channel has had a turn."""

    @model_validator(mode="after")
    def _old_keys_follow_a_new_one(self) -> StoreSettings:
        if self.encryption_keys_old and self.encryption_key is None:
            raise wrong("encryption_keys_old stands without an encryption_key", "name the key that takes their place")
        return self

    @model_validator(mode="after")
    def _a_file_has_no_password(self) -> StoreSettings:
        if self.password is not None and self.url.startswith("sqlite"):
            raise wrong("a SQLite file has no password", "take the password out, or write a PostgreSQL url")
        return self

    def keys(self) -> tuple[bytes, ...]:
        """The encryption keys, the present one first; empty where none is set."""
        named = () if self.encryption_key is None else (self.encryption_key, *self.encryption_keys_old)
        return tuple(key_of(secret.get_secret_value()) for secret in named)

    def database(self, folder: Path) -> URL:
        """The url to open, with the password in it (its text masks it); `folder` is where relative paths start."""
        url = make_url(self.url)
        if url.drivername == "sqlite":
            return url.set(database=str(folder / (url.database or "")))
        return url if self.password is None else url.set(password=self.password.get_secret_value())


class DaemonSettings(Table):
    """How the background service behaves."""

    tick_seconds: Annotated[int, Field(ge=1, le=60)] = 1
    """How often the service looks what is due, in seconds."""
    stop_grace_seconds: Annotated[int, Field(ge=1, le=600)] = 20
    """How long a stopping service waits for the page at hand before it gives up, in seconds."""
    parked_retry_seconds: Annotated[int, Field(ge=10, le=86_400)] = 300
    """How often a channel that refused our credentials is tried again, in seconds."""


def _listening(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 65_536) or any(c.isspace() for c in host):
        raise wrong("no address to listen at", 'write HOST:PORT, such as "127.0.0.1:8080"')
    return value


def _over_tls(value: str) -> str:
    if not value.startswith("https://"):
        raise wrong("channels call only over TLS", "write the https address of the proxy before the receiver")
    return value


class ReceiverSettings(Table):
    """Where channels may call to say that something changed: see docs/hints.md. Off as long as `listen` is not set."""

    listen: Annotated[str, AfterValidator(_listening), Field(examples=["127.0.0.1:8080"])] | None = None
    """Where the service listens for channels' calls, in plain HTTP: behind a proxy that speaks TLS to the outside.
    Not set: it does not listen, and finds everything by asking."""
    public_url: (
        Annotated[WebAddress, AfterValidator(_over_tls), Field(examples=["https://hooks.example.com"])] | None
    ) = None
    """Where that proxy is reached from outside; channels are told to call /hooks/NAME there. Not set: no channel is
    told anything, and what calls all the same is answered."""

    @model_validator(mode="after")
    def _someone_listens(self) -> ReceiverSettings:
        if self.public_url is not None and self.listen is None:
            raise wrong("public_url is set and nobody listens", 'set listen too, such as "127.0.0.1:8080"')
        return self

    @property
    def place(self) -> tuple[str, int] | None:
        """Host and port to listen at, or None."""
        if self.listen is None:
            return None
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    def address_of(self, channel: str) -> str:
        """Where a channel is to call; empty where it is not to."""
        return f"{self.public_url}/hooks/{channel}" if self.public_url else ""


class LogSettings(Table):
    """What the service writes to its log."""

    format: Literal["auto", "json", "pretty"] = "auto"
    """auto: pretty on a terminal, json elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines that are written."""


class IssuesSettings(Table):
    """When something becomes a person's to see to: see docs/issues.md."""

    late_hours: Annotated[int, Field(ge=0, le=720)] = 24
    """An order that has not left is an issue so long before the instant it has to ship by, in hours."""
    backorder_days: Annotated[int, Field(ge=0, le=365)] = 7
    """An order that waits for stock is an issue after so many days."""
    stuck_hours: Annotated[int, Field(ge=1, le=720)] = 24
    """What a channel is told and has not answered is an issue after so many hours."""
    keep_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """What nothing can mend any more, such as a cancellation that came after the parcel, is told for so many days."""


def _zone(name: str) -> str:
    try:
        _ = UTC if name == "UTC" else ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise wrong("no time zone", 'write its name, such as "America/New_York" or "UTC"') from None
    return name


class MetricsSettings(Table):
    """How the metrics are counted: see docs/metrics.md."""

    time_zone: Annotated[str, AfterValidator(_zone), Field(examples=["America/New_York"])] = "UTC"
    """The zone whose days the metrics are counted in, by its IANA name. Another one makes all days be counted anew."""

    @property
    def zone(self) -> tzinfo:
        return UTC if self.time_zone == "UTC" else ZoneInfo(self.time_zone)  # UTC needs no database of zones


class OrdersyncFile(Table):
    """ordersync.toml: the store, the service, its receiver, its issues, its metrics and its log."""

    store: StoreSettings = StoreSettings()
    daemon: DaemonSettings = DaemonSettings()
    receiver: ReceiverSettings = ReceiverSettings()
    issues: IssuesSettings = IssuesSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
