#!/usr/bin/env python3
"""A, busy. A save while the command is still running: does a run follow that has seen it?

  watch_busy.py [--n 5] [--out F.jsonl] NAME=COMMAND...

The command takes 1 s.  Save, 0.4 s later save again: 'fresh' counts the tries after which a run was started after the
second save (at most 4 s later); otherwise the verdict is stale."""
import argparse, os, random, shutil, time
from peerlib import *

ap = argparse.ArgumentParser()
ap.add_argument("--n", type=int, default=5)
ap.add_argument("--out")
ap.add_argument("tools", nargs="+")
a = ap.parse_args()
for name, cmd in named(a.tools):
    top = scratch()
    d = top + "/proj"
    os.makedirs(d + "/pkg")
    f = d + "/pkg/m.py"
    save(f, b"x = 1\n", "write")
    st = Stamps(top)
    slow = top + "/slow"
    open(slow, "w").write(f"#!/bin/sh\n{st.exe}\nsleep 1\n")
    os.chmod(slow, 0o755)
    t = Tool(cmd.format(dir=d, file=f, stamp=slow, top=top), cwd=d)
    time.sleep(3.5)
    fresh, runs = 0, 0
    for i in range(a.n):
        n = len(st.all())
        save(f, b"x = %d\n" % random.randrange(10**6), "write")
        if len(st.wait(n, 5)) == n:
            break
        time.sleep(0.4)
        t2 = save(f, b"x = %d\n" % random.randrange(10**6), "write")
        time.sleep(4)
        s = st.all()
        fresh += s[-1] > t2
        runs += len(s) - n
    emit(dict(measure="A-busy", tool=name, tries=a.n, fresh=fresh, runs=runs), a.out)
    t.stop()
    shutil.rmtree(top, ignore_errors=True)
