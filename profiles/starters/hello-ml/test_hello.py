import pytest

from hello import SAMPLES, fit


def test_a_line_is_found_exactly():
    model = fit([(0, 1), (1, 3), (2, 5)])
    assert model.slope == pytest.approx(2)
    assert model.intercept == pytest.approx(1)


def test_the_prediction_lies_between_its_neighbours():
    assert 65.5 < fit(SAMPLES).predict(175) < 73.0


def test_one_point_is_no_line():
    with pytest.raises(ValueError):
        fit([(1, 1), (1, 2)])
