import pytest

pytest.importorskip("flask")

from app import app


def test_home_says_hello():
    assert app.test_client().get("/").data == b"Hello, ML!\n"


def test_predict_answers_with_a_weight():
    answer = app.test_client().post("/predict", json={"height": 175})
    assert answer.status_code == 200
    assert 65.5 < answer.get_json()["weight"] < 73.0


@pytest.mark.parametrize("body", [{}, {"height": "tall"}, {"height": True}, [1]])
def test_predict_refuses_what_is_no_height(body):
    assert app.test_client().post("/predict", json=body).status_code == 400
