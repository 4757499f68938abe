#!/usr/bin/env python3
"""C. save -> verdict on the generated ML project (verdict_project.py).

  verdict.py --python PY [--n 10] [--part split,cold,edit,watch] [--edit LEAF,CORE] [--out F.jsonl]
               [NAME=COMMAND...] [watch:NAME=COMMAND...]

NAME=COMMAND: run by hand after each edit, e.g. 'testmon={py} -m pytest -q --testmon'.
watch:NAME=COMMAND: a long-running watcher; time from the save to the first line on its
terminal that has pytest's verdict ('N passed in ...'), or --verdict's pattern, or that of
'watch:NAME; pattern REGEX=COMMAND'.
{py} and {dir} are replaced.  An edit changes one function for real (its byte code changes).  RED is LEAF with three tests that
fail before the edit and after it; NET is a module that imports torch."""
import argparse, os, random, re, resource, shutil, subprocess, sys, time
from peerlib import *

ap = argparse.ArgumentParser()
ap.add_argument("--python", required=True)
ap.add_argument("--n", type=int, default=10)
ap.add_argument("--part", default="split,edit,watch")
ap.add_argument("--edit", default="LEAF,CORE")
ap.add_argument("--save", default="write")
ap.add_argument("--verdict", default=r"\d+ (passed|failed|error)[^\r\n]* in [\d.]+|no tests ran")
ap.add_argument("--rest", type=float, default=1.5, help="seconds after a verdict in which what follows it ends")
ap.add_argument("--settle", type=float, default=4)
ap.add_argument("--apart", action="store_true", help="devboot must not fork")
ap.add_argument("--out")
ap.add_argument("cmds", nargs="*")
a = ap.parse_args()
py, top = a.python, scratch()
proj = top + "/ml"
kind = ["torch"] if "NET" in a.edit else []
subprocess.run([sys.executable, HERE + "/verdict_project.py", proj] + kind, check=True)
if a.apart:
    with open(proj + "/devboot.toml", "w") as f:
        f.write("[stage.test]\npytest = { fork = false }\n")
env = dict(os.environ, PATH=os.path.dirname(py) + ":" + os.environ["PATH"], PYTHONWARNINGS="ignore")
count = [0]


def edit(where):
    f = f"{proj}/churn/{dict(LEAF='report', RED='report', CORE='clean', NET='net')[where]}.py"
    count[0] += 1
    s = re.sub(r"tweak = [\d.]+", f"tweak = {count[0]}.5", open(f).read())
    if where == "RED":  # three of the five tests fail, and go on failing
        s = s.replace("{v + 0 * tweak:.3f}", "{v + 1 + 0 * tweak:.3f}")
    return save(f, s.encode(), a.save)


def timed(cmd, cwd=proj):
    r0, t0 = resource.getrusage(resource.RUSAGE_CHILDREN), now()
    p = subprocess.run(["bash", "-c", "exec " + cmd], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    t1, r1 = now(), resource.getrusage(resource.RUSAGE_CHILDREN)
    return (t1 - t0) / 1e6, (r1.ru_utime + r1.ru_stime - r0.ru_utime - r0.ru_stime) * 1e3, p.stdout


def report(kind, name, rows, **kw):
    emit(dict(measure="C", part=kind, tool=name, unit="ms", **summary([r[0] for r in rows]),
              cpu_ms=summary([r[1] for r in rows]).get("median"), **kw), a.out)


if "split" in a.part:
    todo = {"interpreter start, bare (-I -S -c pass)": f"{py} -I -S -c pass", "interpreter start (-c pass)": f"{py} -c pass",
            "import pytest": f"{py} -c 'import pytest'", "import numpy": f"{py} -c 'import numpy'",
            "import numpy, pandas": f"{py} -c 'import numpy, pandas'",
            "import numpy, pandas, sklearn parts used": f"{py} -c 'import numpy, pandas, sklearn.ensemble, sklearn.linear_model, sklearn.pipeline, sklearn.metrics, sklearn.model_selection'",
            "... and flask, pytest (all third-party)": f"{py} -c 'import numpy, pandas, sklearn.ensemble, sklearn.linear_model, sklearn.pipeline, sklearn.metrics, sklearn.model_selection, flask, pytest'",
            "pytest --version": f"{py} -m pytest --version",
            "pytest --collect-only, whole": f"{py} -m pytest -q -p no:cacheprovider --collect-only",
            "pytest -q, whole": f"{py} -m pytest -q", "pytest -q, LEAF's test file only": f"{py} -m pytest -q tests/test_report.py",
            "pytest -q, CORE's test file only": f"{py} -m pytest -q tests/test_clean.py", "pytest -q -n 2 (xdist)": f"{py} -m pytest -q -n 2",
            "pytest -x --lf (nothing failed)": f"{py} -m pytest -q -x --lf"}
    rows = {k: [] for k in todo}
    for c in todo.values():
        timed(c)
    for i in range(a.n):
        for k, c in todo.items():
            rows[k].append(timed(c))
    for k, r in rows.items():
        report("split", k, r)
if "edit" in a.part:
    todo = [(n, c) for n, c in named(a.cmds) if not n.startswith("watch:")]
    for where in a.edit.split(","):
        rows, tail = {n: [] for n, _ in todo}, {}
        for n, c in todo:
            timed(c.format(py=py, dir=proj))
        for i in range(a.n):
            for n, c in todo:
                edit(where)
                t = timed(c.format(py=py, dir=proj))
                rows[n].append(t)
                h = re.findall(a.verdict.encode(), t[2]) and re.search(a.verdict.encode(), t[2]).group(0).decode()
                tail[n] = h or t[2][-80:].decode(errors="replace")
        for n, r in rows.items():
            report("edit " + where, n, r, verdict=tail.get(n))
if "watch" in a.part:
    todo = [(n[6:], c) for n, c in named(a.cmds) if n.startswith("watch:")]
    for where in a.edit.split(","):
        for n, c in todo:
            pattern = a.verdict
            if "; pattern " in n:
                n, pattern = n.split("; pattern ")
            t = Tool(c.format(py=py, dir=proj), cwd=proj, env=env, pattern=pattern)
            time.sleep(a.settle)
            for i in range(3):  # what gets warm gets warm
                edit(where)
                time.sleep(a.settle)
            rows, lost = [], 0
            for i in range(a.n + 1):  # the first is a warm-up
                time.sleep(0.6 + random.random() * 0.3)
                end, k = time.monotonic() + 30, len(t.hits)
                c0, t0 = usage(t.p.pid)[0], edit(where)
                while len(t.hits) == k and time.monotonic() < end and t.alive():
                    time.sleep(0.001)
                if len(t.hits) > k:
                    time.sleep(a.rest)  # let it reap, and swallow any second run
                    if i:
                        rows.append(((t.hits[k][0] - t0) / 1e6, (usage(t.p.pid)[0] - c0) * 1e3))
                else:
                    lost += 1
            if os.environ.get("PEER_DEBUG") or not rows:
                print(t.buf[-500:], file=sys.stderr)
            report("watch " + where, n, rows, lost=lost, verdict=t.hits[-1][1].decode() if t.hits else None)
            t.stop()
shutil.rmtree(top, ignore_errors=True)
