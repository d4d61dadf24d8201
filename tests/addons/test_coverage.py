"""No route passes unattributed, unmetered or unrecorded; the matrix notices what nobody has thought of."""

import pytest

from addons import STEPS, coverage, rehearsal
from addons.chain import Chain
from addons.coverage import DUTIES, examine
from addons.rehearsal import Path, Route
from addons.step import Step
from policy.exchange import Mode
from tests.addons.running import Running


async def test_the_matrix_has_no_hole():
    found = await examine()
    assert found.holes == ()
    assert not [cell for row in found.rows for cell in row.cells if cell.empty]
    assert {row.route for row in found.rows} == {
        *("explicit, plain", "explicit, TLS", "explicit, CONNECT, plain", "explicit, CONNECT, TLS"),
        *("gateway, plain", "gateway, TLS", "transparent, plain", "transparent, TLS"),
    }


async def test_whatever_leaves_is_attributed_metered_and_recorded():
    for row in (await examine()).rows:
        done = {cell.step for cell in row.cells if cell.phases}
        lacking = DUTIES.keys() - done if row.left else set()
        assert lacking <= ({"metering"} if row.path == Path.TUNNELLED else set()), (row.route, row.path)


@pytest.mark.parametrize("removed", STEPS, ids=lambda kind: kind.name)
async def test_a_step_taken_out_leaves_holes(removed):
    assert (await examine([kind for kind in STEPS if kind is not removed])).holes


async def test_a_step_put_in_without_a_word_leaves_holes():
    class Surprise(Step):
        name = "surprise"

        async def body(self, visit):
            return None

    assert any("surprise" in hole for hole in (await examine([*STEPS, Surprise])).holes)


async def test_a_phase_that_the_chain_no_longer_runs_leaves_holes(monkeypatch):
    async def skip(*_):
        return None

    monkeypatch.setattr(Chain, "_run", skip)
    assert any("without being attributed" in hole for hole in (await examine()).holes)


async def test_a_hook_that_no_path_uses_is_a_hole(monkeypatch):
    monkeypatch.setattr(Chain, "websocket_message", lambda *_: None, raising=False)
    assert "no path uses the chain's hook websocket_message" in (await examine()).holes


async def test_a_door_that_is_not_rehearsed_is_noticed():
    assert {route.mode for route in rehearsal.ROUTES} == set(Mode) == set(rehearsal.MODES.values())


async def test_every_excuse_is_needed():
    passages = await rehearsal.rehearse(STEPS)
    for excuse in coverage.EXCUSES:
        assert any(
            excuse.where(passage) and not passage.phases.get(step)
            for passage in passages
            for step in excuse.steps
        ), excuse.reason


async def test_the_real_steps_run_as_rehearsed(gateway: Running, monkeypatch):
    """The same phases, noted in the real steps while a real call goes through the real proxy."""
    ran: set[tuple[str, str]] = set()

    def noting(step: Step, phase: str):
        original = getattr(step, phase)

        def noted(*arguments):
            ran.add((step.name, phase))
            return original(*arguments)

        return noted

    for step in gateway.engine.chain.steps:
        for phase in rehearsal.implemented(type(step)):
            monkeypatch.setattr(step, phase, noting(step, phase), raising=True)
    assert (await gateway.ask()).status_code == 200
    passages = await rehearsal.rehearse(STEPS, [Route(Mode.GATEWAY, connect=False, tls=False)])
    (rehearsed,) = [passage for passage in passages if passage.path is Path.ANSWERED]
    assert ran == {(step, phase) for step, phases in rehearsed.phases.items() for phase in phases}
