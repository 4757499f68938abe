#!/usr/bin/env python3
"""B. Start-up, idle cost and a storm of events on a large tree.

  watch_scale.py --tree DIR [--ignored] [--runs 3] [--storm 20000] [--idle 5] [--out F.jsonl] NAME=COMMAND...

COMMAND may use {dir} and {stamp}, and '&& after:' as in watch_latency.py.  Per run: start the
tool; 'watches' = ms until its number of inotify watches stops growing (looked at every
50 ms); 'ready' = ms until a first probe save has triggered the command (a probe is saved
only once the watches have settled; so ready >= watches + its reaction).  Then RSS, PSS and
CPU after IDLE seconds with nothing to do; then STORM files are rewritten (each is an
open/write/close), and CPU seconds of the tool's tree until quiet, number of triggers, and
time from the last write to the last trigger; then one more probe: is it still alive?
With --ignored a .gitignore in DIR names the whole tree but for one small folder, in which the probe is.
A storm there is to trigger nothing."""
import argparse, os, shutil, time
from peerlib import *

ap = argparse.ArgumentParser()
ap.add_argument("--tree", required=True)
ap.add_argument("--ignored", action="store_true")
ap.add_argument("--runs", type=int, default=3)
ap.add_argument("--storm", type=int, default=20000)
ap.add_argument("--idle", type=float, default=5)
ap.add_argument("--settle", type=float, default=1.5, help="s without a new watch that count as settled (nodemon pauses for 5)")
ap.add_argument("--limit", type=float, default=60, help="give up on start-up after this many s")
ap.add_argument("--out")
ap.add_argument("tools", nargs="+")
a = ap.parse_args()
files = sorted(os.path.join(p, f) for p, _, fs in os.walk(a.tree) for f in fs if f.endswith(".py"))
probe = files[-1]
rules = a.tree + "/.gitignore"
os.path.exists(rules) and os.remove(rules)
if a.ignored:
    open(rules, "w").write("/d*/\n")
    os.makedirs(a.tree + "/src", exist_ok=True)
    probe = a.tree + "/src/a.py"
    files = [f for f in files if "/src/" not in f]
    save(probe, b"x = 0\n", "write")
for name, cmd in named(a.tools):
    rows, notes = {}, set()
    put = lambda k, v: rows.setdefault(k, []).append(v)
    for r in range(a.runs):
        top = scratch()
        st = Stamps(top)
        t = Tool(cmd.format(dir=a.tree, stamp=st.exe, top=top), cwd=a.tree)
        last, since = 0, time.monotonic()
        t_settled = now()
        while time.monotonic() - since < a.settle or last == 0:
            w = sum(watches(p) for p in tree(t.p.pid))
            if w != last:
                last, since, t_settled = w, time.monotonic(), now()
            if (now() - t.t0) / 1e9 > a.limit or not t.alive():
                break
            time.sleep(0.05)
        put("watches_ms", (t_settled - t.t0) / 1e6)
        put("watches", last)
        n = len(st.all())
        ok = False
        while (now() - t.t0) / 1e9 < a.limit + 20 and t.alive():
            t_probe = save(probe, b"x = %d\n" % now(), "write")
            s = st.wait(n, 5)
            if len(s) > n:
                ok = True
                put("reaction_ms", (s[n] - t_probe) / 1e6)
                break
        if not ok:
            notes.add("never triggered: " + t.buf[-160:].decode(errors="replace").strip())
        time.sleep(2.5)
        c0, rss, pss, _ = usage(t.p.pid)
        time.sleep(a.idle)
        c1, rss, pss, _ = usage(t.p.pid)
        put("idle_cpu_pct", (c1 - c0) / a.idle * 100)
        put("rss_mib", rss / 1024)
        put("pss_mib", pss / 1024)
        put("start_cpu_s", c0)
        if ok and a.storm:
            n = len(st.all())
            t_storm = now()
            text = b"x = %d\n" % t_storm
            for f in files[:a.storm]:
                h = os.open(f, os.O_WRONLY | os.O_TRUNC)
                os.write(h, text)
                os.close(h)
            t_end = now()
            put("storm_write_s", (t_end - t_storm) / 1e9)
            seen, since = n, time.monotonic()
            while time.monotonic() - since < 4 and (now() - t_end) / 1e9 < 60:
                k = len(st.all())
                if k != seen:
                    seen, since = k, time.monotonic()
                time.sleep(0.05)
            s = st.all()
            put("storm_cpu_s", usage(t.p.pid)[0] - c1)
            put("storm_triggers", len(s) - n)
            if len(s) > n:
                put("storm_last_ms", (s[-1] - t_end) / 1e6)
            n = len(s)
            save(probe, b"x = %d\n" % now(), "write")
            put("alive_after", int(len(st.wait(n, 6)) > n))
        if os.environ.get("PEER_DEBUG"):
            print(t.buf[-500:])
        t.stop()
        shutil.rmtree(top, ignore_errors=True)
        time.sleep(0.5)
    emit(dict(measure="B", label="ignored" if a.ignored else "watched", tool=name, notes=sorted(notes),
              **{k: dict(summary(v), all=[round(x, 2) for x in v]) for k, v in rows.items()}), a.out)
