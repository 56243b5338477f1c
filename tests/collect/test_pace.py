from cdr_pipeline.sources.kazoo.pace import Pace


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def pace(per_second: float = 8.0, host: float = 10_000.0) -> tuple[Pace, Clock]:
    clock = Clock()
    return Pace(per_second, host, clock, clock.sleep), clock


def test_an_account_is_asked_no_faster_than_its_rate_after_a_short_burst() -> None:
    budget, clock = pace()
    for _ in range(96):
        budget.wait("a")
    assert 9.5 < clock.now <= 12


def test_a_burst_stays_within_what_a_stock_switch_allows() -> None:
    budget, clock = pace()
    sent = 0
    while clock.now < 1:
        budget.wait("a")
        sent += 1
    assert sent <= 8 * 3 + 1 < 100


def test_accounts_do_not_wait_for_each_other() -> None:
    budget, clock = pace()
    for number in range(200):
        budget.wait(f"account {number}")
    assert clock.now == 0


def test_all_accounts_together_keep_below_the_hosts_budget() -> None:
    budget, clock = pace(host=50)
    for number in range(600):
        budget.wait(f"account {number % 200}")
    assert 9.5 < clock.now <= 12


def test_a_refusal_halves_the_rate_and_is_waited_out() -> None:
    budget, clock = pace()
    budget.wait("a")
    budget.refused("a", 5.0)
    assert budget.rate("a") == 4.0
    budget.wait("a")
    assert clock.now >= 5


def test_a_refusal_of_one_account_leaves_the_others_alone() -> None:
    budget, clock = pace()
    budget.refused("a", 60.0)
    budget.wait("b")
    assert clock.now == 0
    assert budget.rate("b") == 8.0


def test_refusals_never_stop_an_account_and_answers_bring_its_rate_back() -> None:
    budget, _ = pace()
    for _ in range(50):
        budget.refused("a", None)
    assert budget.rate("a") == 0.2
    for _ in range(60):
        budget.answered("a")
    assert budget.rate("a") == 8.0


def test_the_servers_own_count_is_heeded_before_it_refuses() -> None:
    budget, clock = pace()
    budget.wait("a")
    budget.answered("a", tokens_left=2)
    budget.wait("a")
    assert clock.now >= 1
