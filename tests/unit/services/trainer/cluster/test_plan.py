"""What a driver is told comes out as it went in."""

from services.trainer.cluster.plan import Plan


def test_a_plan_survives_the_way_to_the_driver() -> None:
    plan = Plan("ray://head:10001", "", 4, 0.25, {"OMP_NUM_THREADS": "4", "TEXT": "ü = 1"}, 2.5)
    assert Plan.read(plan.text()) == plan
