#!/usr/bin/env python3
"""Same outcomes and sound selection, on a project that is there: devboot's warm runs beside plain pytest.

  selection.py outcomes --devboot BIN --python PY DIR           every test's outcome: plain, and warm in the service
  selection.py mutants  --devboot BIN --python PY DIR [--n 40]  one breaking change at a time in each source file: the tests that a
                        plain run turns red are among those that devboot runs first
  selection.py project  DIR                                     a project of its own making (verdict_project.py)

The project is copied; nothing is written where it is. Its environment (PY) has pytest and what the project needs. `mutants` asks
for no plain run where all tests are affected: nothing can be missed there."""
import argparse, json, os, random, re, shutil, signal, subprocess, sys, tempfile, time

ap = argparse.ArgumentParser()
ap.add_argument("what", choices=["outcomes", "mutants", "project"])
ap.add_argument("dir")
ap.add_argument("--devboot")
ap.add_argument("--python")
ap.add_argument("--n", type=int, default=40)
ap.add_argument("--seed", type=int, default=7)
ap.add_argument("--args", default="", help="more arguments for pytest")
ap.add_argument("--timeout", type=int, default=120, help="seconds after which a suite is given up; a mutant may never end")
a = ap.parse_args()
a.python, a.dir = a.python and os.path.abspath(a.python), os.path.abspath(a.dir)
HERE = os.path.dirname(os.path.abspath(__file__))
if a.what == "project":
    sys.exit(subprocess.run([sys.executable, HERE + "/verdict_project.py", a.dir]).returncode)

top = tempfile.mkdtemp(prefix="selection-")
proj, home = top + "/p", top + "/home"
os.mkdir(home)
ignore = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".pytest_cache", "node_modules", ".tox", "examples")
shutil.copytree(a.dir, proj, symlinks=True, ignore=ignore)
venv = os.path.dirname(os.path.dirname(os.path.abspath(a.python)))
env = dict(HOME=home, PATH=venv + "/bin:/usr/bin:/bin", VIRTUAL_ENV=venv, LANG="C.UTF-8", PYTHONDONTWRITEBYTECODE="1")
# An editable install points at the original: the copy goes before it.
src = proj + "/src" if os.path.isdir(proj + "/src") else proj
env["PYTHONPATH"] = src
args = a.args.split()
with open(proj + "/devboot.toml", "w") as f:
    quoted = ", ".join(json.dumps(x) for x in args)
    f.write('[stage.test]\ntimeout = "%ds"\npytest = { args = [%s] }\npass_env = ["PYTHONPATH", "PYTHONDONTWRITEBYTECODE"]\n' % (a.timeout, quoted))


def plain():
    """Outcome by node id of `python -m pytest`, told by a plugin of this file's."""
    out = top + "/plain.json"
    plugin = top + "/plugin"
    os.makedirs(plugin, exist_ok=True)
    with open(plugin + "/selection_plugin.py", "w") as f:
        f.write('''import json
seen = {}
def pytest_collectreport(report):
    if report.failed:
        seen[report.nodeid] = "error"
def pytest_runtest_logreport(report):
    if report.when != "call" and report.outcome == "passed":
        return
    outcome = report.outcome
    if hasattr(report, "wasxfail"):
        outcome = "xfailed" if report.skipped else "xpassed"
    elif report.failed:
        outcome = "failed" if report.when == "call" else "error"
    # A subtest that failed is not made good by the report of its test.
    if seen.get(report.nodeid) not in ("failed", "error"):
        seen[report.nodeid] = outcome
def pytest_sessionfinish(session):
    with open(%r, "w") as f:
        json.dump(seen, f)
''' % out)
    if os.path.exists(out):
        os.remove(out)
    e = dict(env, PYTHONPATH=src + ":" + plugin)
    try:
        p = subprocess.run([a.python, "-m", "pytest", "-q", "-p", "selection_plugin"] + args, cwd=proj, env=e,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=a.timeout)
    except subprocess.TimeoutExpired:
        return None, None
    return (json.load(open(out)) if os.path.exists(out) else {}), p


class Watch:
    """devboot watch --json: its events, run by run."""

    def __init__(self):
        self.p = subprocess.Popen([a.devboot, "watch", "--no-service", "--trust", "--json", proj], env=env, cwd=proj,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def run(self):
        """The next whole run: (outcomes, files before the first verdict, files after it, note)."""
        seen, affected, note, cancelled, batches = {}, None, "", False, 0
        first = set()
        for line in self.p.stdout:
            e = json.loads(line)
            kind = e["event"]
            if kind == "run-started":
                seen, affected, first, cancelled, batches = {}, None, set(), False, 0
            elif kind == "tests-finished":
                for t in e["tests"]:
                    if seen.get(t["name"]) not in ("failed", "error"):
                        seen[t["name"]] = t["outcome"]
                if batches <= 1:
                    first |= {t["file"] for t in e["tests"]}
            elif kind == "affected":
                affected = (e["files"], e["rest"])
            elif kind == "spent":  # it comes before the tests of its batch
                batches += 1
            elif kind == "stage-finished":
                note = e["end"].get("note") or ""
                replayed = e["end"]["replayed"]
                cancelled = e["end"]["verdict"] in ("cancelled", "interrupted")
            elif kind == "run-finished" and not cancelled:
                return seen, affected, first, note, replayed
        sys.exit("devboot ended")

    def stop(self):
        self.p.send_signal(signal.SIGINT)
        self.p.wait()


def save(path, data):
    with open(path, "wb") as f:
        f.write(data)


def sources():
    found = []
    for d, dirs, files in os.walk(proj):
        dirs[:] = [x for x in dirs if not x.startswith(".") and x not in ("docs", "examples", "node_modules")]
        for f in files:
            rel = os.path.relpath(os.path.join(d, f), proj)
            is_test = f.startswith("test_") or f.endswith("_test.py")
            if f.endswith(".py") and not is_test and f != "setup.py" and os.path.getsize(os.path.join(d, f)) > 40:
                found.append(rel)
    return sorted(found)


def mutate(text, rng):
    """One change that breaks something for real, somewhere in the file; None where nothing can be changed."""
    lines = text.split("\n")
    ways = []
    for i, line in enumerate(lines):
        s = line.strip()
        if s.startswith(("#", '"', "'", "@", "import", "from")):
            continue
        for pat, rep in ((r"\breturn\b (?!None)(.+)$", "return None"), (r" == ", " != "), (r"\bnot in\b", "in"), (r" \+ ", " - "),
                         (r"\bTrue\b", "False"), (r"\bis None\b", "is not None"), (r" < ", " >= "), (r"\bif not\b", "if")):
            if re.search(pat, line) and line.count("(") == line.count(")"):
                ways.append((i, re.sub(pat, rep, line, count=1)))
    if not ways:
        return None
    i, new = rng.choice(ways)
    lines[i] = new
    out = "\n".join(lines)
    try:
        compile(out, "x", "exec")
    except SyntaxError:
        return None
    return out


w = Watch()
w.run()
try:
    if a.what == "outcomes":
        cold, p = plain()
        path = sources()[0]
        text = open(os.path.join(proj, path), "rb").read()
        tier = ""
        for i in range(3):
            # A comment changes the file and nothing else; a new conftest.py makes every test affected.
            save(os.path.join(proj, "conftest_probe.py"), b"# %d\n" % i)
            save(os.path.join(proj, "pytest_probe.ini"), b"# %d\n" % i)
            save(os.path.join(proj, "setup.cfg.probe"), b"# %d\n" % i)
            save(os.path.join(proj, path), text + b"\n# %d\n" % i)
            warm, affected, first, tier, replayed = w.run()
        diff = {k: (cold.get(k), warm.get(k)) for k in set(cold) | set(warm) if cold.get(k) != warm.get(k)}
        print(json.dumps(dict(project=os.path.basename(a.dir.rstrip("/")), tests=len(cold), same=len(cold) - len(diff), tier=tier,
                              differences=dict(sorted(diff.items())[:40]), count=len(diff), last=p.stdout.decode(errors="replace").strip().split("\n")[-1])))
    else:
        rng = random.Random(a.seed)
        base, _ = plain()
        red = {k for k, v in base.items() if v in ("failed", "error")}
        total = len({k.split("::")[0] for k in base})
        tests = len(base)
        todo, files = [], sources()
        rng.shuffle(files)
        while len(todo) < a.n:
            before = len(todo)
            for f in files:
                text = open(os.path.join(proj, f), encoding="utf-8", errors="surrogateescape").read()
                m = mutate(text, rng)
                if m and (f, m) not in todo and len(todo) < a.n:
                    todo.append((f, m))
            if len(todo) == before:
                break
        done = killed = missed = skipped = 0
        missing = []
        by_file = {}
        for k in base:
            by_file[k.split("::")[0]] = by_file.get(k.split("::")[0], 0) + 1
        for at, (f, m) in enumerate(todo):
            sys.stderr.write("%d of %d, %d noticed, %d missed: %s\n" % (at + 1, len(todo), killed, missed, f))
            path = os.path.join(proj, f)
            old = open(path, "rb").read()
            save(path, m.encode("utf-8", "surrogateescape"))
            seen, affected, first, note, replayed = w.run()
            done += 1
            if affected and affected[1]:
                cold, _ = plain()
                if cold is None:  # it never ends: nothing can be compared
                    save(path, old)
                    w.run()
                    done -= 1
                    continue
                skipped += sum(n for k, n in by_file.items() if k not in first)
                new = {k for k, v in cold.items() if v in ("failed", "error")} - red
                killed += bool(new)
                late = {k for k in new if k.split("::")[0] not in first}
                if late:
                    missed += 1
                    missing.append((f, sorted(late)[:5]))
            else:
                killed += any(v in ("failed", "error") and k not in red for k, v in seen.items())
            save(path, old)
            w.run()
        print(json.dumps(dict(project=os.path.basename(a.dir.rstrip("/")), tests=tests, files=total, mutants=done, killed=killed, missed=missed,
                              skipped=round(skipped / max(1, done * tests), 3), missing=missing)))
finally:
    w.stop()
    shutil.rmtree(top, ignore_errors=True)
