#!/usr/bin/env python3
"""A. From a save to the first act of the command.

  watch_latency.py [--saves write,rename] [--rounds 3] [--n 10] [--out F.jsonl] NAME=COMMAND...

COMMAND may use {dir} (a small project folder: 12 files), {file} (the file that is saved), {stamp} (the command to
trigger) and {top} (scratch).  'CMD && after: CMD2' runs CMD2 once CMD runs.  Tools take turns, a round each, so that
drift hits all alike.  Time: from the system call that completes the save to stamp's first act, in ms.  'lost' = no
trigger within 6 s; 'extra' = further triggers for one save; 'early' = triggers before the save was complete, that is on
a file that was cut off and not yet written (--saves slow)."""
import argparse, os, random, shutil, time
from peerlib import *

ap = argparse.ArgumentParser()
ap.add_argument("--saves", default="write,rename")
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--n", type=int, default=10)
ap.add_argument("--gap", type=float, default=0.5)
ap.add_argument("--out")
ap.add_argument("tools", nargs="+")
a = ap.parse_args()
res = {}
for r in range(a.rounds):
    for name, cmd in named(a.tools):
        for how in a.saves.split(","):
            v, count = res.setdefault((name, how), ([], dict(lost=0, extra=0, early=0)))
            top = scratch()
            d = os.path.join(top, "proj")
            os.makedirs(d + "/pkg")
            for i in range(12):
                save(f"{d}/pkg/m{i}.py", b"x = 1\n", "write")
            st = Stamps(top)
            f = d + "/pkg/m5.py"
            t = Tool(cmd.format(dir=d, file=f, stamp=st.exe, top=top), cwd=d)
            time.sleep(2.0)  # start-up, and the run at start that some tools do
            n = len(st.all())
            save(f, b"x = 0\n", how)  # warm-up, not counted
            st.wait(n, 8)
            for i in range(a.n):
                time.sleep(a.gap + random.random() * 0.2)
                before = len(st.all())
                t0 = save(f, b"x = %d\n" % (random.randrange(10**6)), how)
                s = st.wait(before, 6)
                if len(s) > before:
                    v.append((s[before] - t0) / 1e6)
                    time.sleep(0.25)
                    s = st.all()[before:]
                    count["extra"] += len(s) - 1
                    count["early"] += sum(one < t0 for one in s)
                else:
                    count["lost"] += 1
            if os.environ.get("PEER_DEBUG"):
                print(name, how, t.buf[-600:])
            t.stop()
            shutil.rmtree(top, ignore_errors=True)
for (name, how), (v, count) in res.items():
    p99 = dict(p99=round(pct(v, .99), 3)) if v else {}
    emit(dict(measure="A", tool=name, save=how, unit="ms", **count, **p99, **summary(v)), a.out)
