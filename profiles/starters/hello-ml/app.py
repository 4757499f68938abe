"""The model behind HTTP: POST {"height": 175} to /predict."""

from flask import Flask, jsonify, request

from hello import SAMPLES, fit

app = Flask(__name__)
model = fit(SAMPLES)


@app.get("/")
def home():
    return "Hello, ML!\n"


@app.post("/predict")
def predict():
    body = request.get_json(silent=True)
    height = body.get("height") if isinstance(body, dict) else None
    if isinstance(height, bool) or not isinstance(height, (int, float)):
        return jsonify(error="send a number as 'height'"), 400
    return jsonify(height=height, weight=round(model.predict(height), 1))


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=8080)
