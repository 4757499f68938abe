#!/usr/bin/env python3
"""verdict_project.py DIR [torch]: a small, realistic Python ML project: package churn (12 modules that
import one another and numpy, pandas, scikit-learn, flask) and 60 tests in 12 files.

Two marked places for edits, each inside one function: LEAF in churn/report.py (5 tests
depend on it) and CORE in churn/clean.py (about half of the tests depend on it). With torch
there is a third: NET in churn/net.py, on which 3 more tests depend."""
import os, sys

top = sys.argv[1]
M = {}
M["__init__"] = ""
M["config"] = '''
from dataclasses import dataclass

@dataclass(frozen=True)
class Config:
    seed: int = 7
    rows: int = 400
    test_share: float = 0.25
    target: str = "churned"

def load(**kw):
    return Config(**kw)
'''
M["schema"] = '''
COLUMNS = {"age": float, "tenure": float, "spend": float, "calls": float, "plan": str}

def missing(df):
    return [c for c in COLUMNS if c not in df.columns]

def numeric():
    return [c for c, t in COLUMNS.items() if t is float]

def check(df):
    gone = missing(df)
    if gone:
        raise ValueError("missing: " + ", ".join(gone))
    return df
'''
M["data"] = '''
import numpy as np
import pandas as pd
from .config import Config

def make(cfg=Config()):
    rng = np.random.default_rng(cfg.seed)
    n = cfg.rows
    df = pd.DataFrame({
        "age": rng.normal(45, 12, n), "tenure": rng.exponential(24, n),
        "spend": rng.gamma(4, 12, n), "calls": rng.poisson(2, n).astype(float),
        "plan": rng.choice(["basic", "plus", "pro"], n)})
    z = 0.8 * (df.calls - 2) - 0.05 * (df.tenure - 24) + rng.normal(0, 0.7, n)
    df[cfg.target] = (z > 0).astype(int)
    df.loc[rng.choice(n, n // 20, replace=False), "spend"] = np.nan
    return df
'''
M["clean"] = '''
import numpy as np
from . import schema

def fill(df):
    tweak = 0.0  # EDIT CORE
    out = df.copy()
    out["spend"] = out["spend"].fillna(out["spend"].median() + 0 * tweak)
    return out

def clip(df, q=0.99):
    out = df.copy()
    for c in schema.numeric():
        out[c] = np.minimum(out[c], out[c].quantile(q))
    return out

def clean(df):
    return clip(fill(schema.check(df)))
'''
M["features"] = '''
import numpy as np
import pandas as pd
from . import schema

def onehot(df):
    return pd.get_dummies(df, columns=["plan"], dtype=float)

def ratios(df):
    out = df.copy()
    out["spend_per_call"] = out.spend / (1 + out.calls)
    out["log_tenure"] = np.log1p(out.tenure)
    return out

def build(df):
    return onehot(ratios(df))
'''
M["split"] = '''
from sklearn.model_selection import train_test_split

def split(df, cfg):
    y = df[cfg.target]
    return train_test_split(df.drop(columns=[cfg.target]), y, test_size=cfg.test_share,
                            random_state=cfg.seed, stratify=y)
'''
M["models"] = '''
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

def linear(c=1.0):
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=500))

def forest(n=20, seed=7):
    return RandomForestClassifier(n_estimators=n, random_state=seed)

BY_NAME = {"linear": linear, "forest": forest}
'''
M["metrics"] = '''
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

def score(model, X, y):
    p = model.predict_proba(X)[:, 1]
    h = (p > 0.5).astype(int)
    return {"auc": float(roc_auc_score(y, p)), "acc": float(accuracy_score(y, h)), "f1": float(f1_score(y, h))}

def better(a, b, key="auc"):
    return a[key] > b[key]
'''
M["pipeline"] = '''
from . import clean, data, features, metrics, models, split
from .config import Config

def prepare(cfg=Config()):
    return features.build(clean.clean(data.make(cfg)))

def run(name="linear", cfg=Config()):
    Xa, Xb, ya, yb = split.split(prepare(cfg), cfg)
    m = models.BY_NAME[name]().fit(Xa, ya)
    return m, metrics.score(m, Xb, yb)
'''
M["registry"] = '''
import json, pickle

def save(path, model, score):
    path.mkdir(parents=True, exist_ok=True)
    (path / "model.pkl").write_bytes(pickle.dumps(model))
    (path / "score.json").write_text(json.dumps(score))

def load(path):
    return pickle.loads((path / "model.pkl").read_bytes()), json.loads((path / "score.json").read_text())
'''
M["api"] = '''
from flask import Flask, jsonify, request
import pandas as pd
from . import clean, features, schema

def create(model, columns):
    app = Flask(__name__)

    @app.get("/health")
    def health():
        return jsonify(ok=True)

    @app.post("/predict")
    def predict():
        df = pd.DataFrame(request.get_json())
        gone = schema.missing(df)
        if gone:
            return jsonify(error=gone), 422
        X = features.build(clean.clean(df)).reindex(columns=columns, fill_value=0.0)
        return jsonify(p=[float(v) for v in model.predict_proba(X)[:, 1]])
    return app
'''
M["report"] = '''
def line(k, v):
    tweak = 0.0  # EDIT LEAF
    return f"{k:<6} {v + 0 * tweak:.3f}"

def render(score):
    return "\\n".join(line(k, score[k]) for k in sorted(score))
'''
T = {}
T["config"] = ["c = config.load(); assert c.seed == 7", "assert config.load(rows=5).rows == 5", "assert 0 < config.load().test_share < 1",
               "assert config.load() == config.Config()", "assert hash(config.load()) == hash(config.load())"]
T["schema"] = ["assert 'plan' in schema.missing(pd.DataFrame())", "assert len(schema.numeric()) == 4", "assert schema.missing(data.make()) == []",
               "assert schema.check(data.make()) is not None", "\n    with pytest.raises(ValueError):\n        schema.check(pd.DataFrame())"]
T["data"] = ["assert len(data.make()) == 400", "assert data.make().equals(data.make())", "assert data.make().spend.isna().sum() == 20",
             "assert set(data.make().plan) == {'basic', 'plus', 'pro'}", "assert 0.1 < data.make().churned.mean() < 0.9"]
T["clean"] = ["assert not clean.fill(data.make()).isna().any().any()", "assert clean.clip(data.make()).age.max() <= data.make().age.max()",
              "assert len(clean.clean(data.make())) == 400", "d = data.make(); clean.clean(d); assert d.spend.isna().any()",
              "\n    with pytest.raises(ValueError):\n        clean.clean(data.make().drop(columns=['plan']))"]
T["features"] = ["assert 'plan_pro' in features.onehot(data.make()).columns", "assert (features.ratios(data.make()).log_tenure >= 0).all()",
                 "assert 'plan' not in features.build(data.make()).columns", "assert features.build(data.make()).shape == (400, 10)",
                 "assert features.onehot(data.make()).filter(like='plan_').sum(axis=1).eq(1).all()"]
T["split"] = ["cfg = config.Config(test_share=0.%d)\n    a, b, c, d = split.split(pipeline.prepare(cfg), cfg)\n    assert len(a) + len(b) == 400 and len(b) == len(d)" % n for n in (1, 2, 3, 4, 5)]
T["models"] = ["X, y = xy(); assert models.linear(%s).fit(X, y).score(X, y) > 0.6" % c for c in (0.1, 1, 10)] + \
              ["X, y = xy(); assert models.forest(%d).fit(X, y).score(X, y) > 0.8" % n for n in (10, 20)]
T["metrics"] = ["X, y = xy(); s = metrics.score(models.linear().fit(X, y), X, y); assert 0 <= s['%s'] <= 1" % k for k in ("auc", "acc", "f1")] + \
               ["assert metrics.better({'auc': 1}, {'auc': 0})", "assert not metrics.better({'f1': 0}, {'f1': 1}, 'f1')"]
T["pipeline"] = ["m, s = pipeline.run('%s'); assert s['auc'] > 0.6" % n for n in ("linear", "forest")] + \
                ["m, s = pipeline.run(cfg=config.Config(seed=%d)); assert s['acc'] > 0.5" % n for n in (1, 2, 3)]
T["registry"] = ["registry.save(tmp_path / 'm%d', *pipeline.run()); m, s = registry.load(tmp_path / 'm%d'); assert s['auc'] > 0.6" % (n, n) for n in range(5)]
T["api"] = ["assert client().get('/health').json == {'ok': True}", "assert client().post('/predict', json=[{'age': 1}]).status_code == 422",
            "r = client().post('/predict', json=body(3)); assert len(r.json['p']) == 3", "r = client().post('/predict', json=body(50)); assert all(0 <= p <= 1 for p in r.json['p'])",
            "assert client().get('/none').status_code == 404"]
T["report"] = ["assert report.line('a', 1) == 'a      1.000'", "assert report.render({}) == ''", "assert report.render({'b': 1, 'a': 2}).startswith('a')",
               "assert report.render({'a': 1, 'b': 2}).count(chr(10)) == 1", "assert '0.333' in report.line('x', 1 / 3)"]
H = {"models": "def xy():\n    d = pipeline.prepare()\n    return d.drop(columns=['churned']), d.churned\n\n",
     "api": "def client():\n    m, _ = pipeline.run()\n    return api.create(m, list(pipeline.prepare().drop(columns=['churned']).columns)).test_client()\n\n"
            "def body(n):\n    return data.make().drop(columns=['churned']).head(n).fillna(1).to_dict('records')\n\n"}
H["metrics"] = H["models"]
I = {"config": "from churn import config", "schema": "import pandas as pd, pytest\nfrom churn import data, schema",
     "data": "from churn import data", "clean": "import pytest\nfrom churn import clean, data", "features": "from churn import data, features",
     "split": "from churn import config, pipeline, split", "models": "from churn import models, pipeline", "metrics": "from churn import metrics, models, pipeline",
     "pipeline": "from churn import config, pipeline", "registry": "from churn import pipeline, registry", "api": "from churn import api, data, pipeline",
     "report": "from churn import report"}
if sys.argv[2:] == ["torch"]:
    M["net"] = '''
import torch

def shrink(x):
    tweak = 0.0  # EDIT NET
    return torch.relu(x) * 0.5 + 0 * tweak

def mean(values):
    return float(shrink(torch.tensor(values)).mean())
'''
    T["net"] = ["assert net.mean([2.0, 4.0]) == 1.5", "assert net.mean([-1.0]) == 0.0", "assert net.shrink(net.torch.ones(3)).shape == (3,)"]
    I["net"] = "from churn import net"
os.makedirs(top + "/churn")
os.makedirs(top + "/tests")
for n, s in M.items():
    open(f"{top}/churn/{n}.py", "w").write(s.lstrip("\n"))
for n, ts in T.items():
    s = I[n] + "\n\n" + H.get(n, "")
    for i, b in enumerate(ts):
        arg = "tmp_path" if "tmp_path" in b else ""
        s += f"def test_{n}_{i}({arg}):\n    {b.lstrip(chr(10) + ' ')}\n\n"
    open(f"{top}/tests/test_{n}.py", "w").write(s)
open(top + "/pyproject.toml", "w").write('[tool.pytest.ini_options]\npythonpath = ["."]\ntestpaths = ["tests"]\n')
assert sum(map(len, T.values())) == 60 + 3 * ("net" in T) and len(M) == 13 + ("net" in T)
