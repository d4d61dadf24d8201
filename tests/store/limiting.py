"""What the limiter's tests share: a tenant of their own with limits, and demands on them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from policy.identifiers import ExchangeId, LimitId, TenantId
from policy.limits import Crossed, Demand, Limit, LimitKind, LimitScope, Window
from policy.money import MicroDollars
from store.limiter import Limiter, Used
from store.limiter_plan import WindowCounter
from store.valkey import connect

# The disk or the processors of the testing machine may be busy for seconds, and the append-only file waits
# for the disk. What is bounded in time is tested where Valkey hangs.
PATIENCE_S = 60.0

BERLIN = ZoneInfo("Europe/Berlin")
NOON_MS = 1_792_929_600_000  # 2026-10-25 13:00 in Berlin, the day of a clock change


@dataclass
class Usage:
    """Stands for PostgreSQL's usage rows: what each scope has used, whatever the period."""

    spent: dict[LimitScope, int] = field(default_factory=dict)
    asked: int = 0

    async def __call__(self, tenant: TenantId, windows: tuple[WindowCounter, ...]) -> tuple[Used, ...]:
        self.asked += 1
        return tuple(((0, self.spent.get(window.limit.scope, 0)),) for window in windows)


@dataclass
class Clock:
    """Milliseconds since 1970, moved by the test."""

    ms: int = NOON_MS

    def __call__(self) -> int:
        return self.ms

    def pass_s(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


class Tenant:
    """A tenant that no other test knows, and its limiter."""

    def __init__(
        self, valkey_url: str, *, clock: Callable[[], int] | None = None, usage: Usage | None = None
    ) -> None:
        self.id = TenantId(uuid4())
        self.team, self.user, self.placeholder = uuid4(), uuid4(), uuid4()
        self.usage = usage or Usage()
        self.client = connect(valkey_url)
        self.crossed: list[Crossed] = []
        self.limiter = Limiter(
            self.client,
            used=self.usage,
            on_crossed=self.crossed.append,
            clock=clock,
            timeout_s=PATIENCE_S,
            used_timeout_s=PATIENCE_S,
        )

    async def close(self) -> None:
        """End what still tries to reach a server that will not come back."""
        if self.limiter._flushing is not None:
            self.limiter._flushing.cancel()
        await self.client.aclose()

    def limit(
        self,
        kind: LimitKind,
        amount: int,
        scope: LimitScope = LimitScope.TENANT,
        window: Window | None = None,
    ) -> Limit:
        subjects: dict[LimitScope, UUID] = {
            LimitScope.TENANT: self.id,
            LimitScope.TEAM: self.team,
            LimitScope.USER: self.user,
            LimitScope.PLACEHOLDER: self.placeholder,
        }
        return Limit(LimitId(uuid4()), self.id, scope, subjects[scope], kind, amount, window)

    def requests(self, amount: int, scope: LimitScope = LimitScope.TENANT) -> Limit:
        return self.limit(LimitKind.REQUESTS_PER_MINUTE, amount, scope)

    def tokens(self, amount: int, scope: LimitScope = LimitScope.TENANT) -> Limit:
        return self.limit(LimitKind.TOKENS_PER_MINUTE, amount, scope)

    def concurrent(self, amount: int, scope: LimitScope = LimitScope.TENANT) -> Limit:
        return self.limit(LimitKind.CONCURRENT, amount, scope)

    def budget(
        self, amount: int, scope: LimitScope = LimitScope.TENANT, window: Window = Window.DAY
    ) -> Limit:
        return self.limit(LimitKind.BUDGET_MICRO_DOLLARS, amount, scope, window)

    def demand(self, *limits: Limit, tokens: int = 0, cost: int = 0, lease_s: int = 60) -> Demand:
        return Demand(ExchangeId(uuid4()), self.id, limits, BERLIN, tokens, MicroDollars(cost), lease_s)
