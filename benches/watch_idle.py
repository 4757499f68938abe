#!/usr/bin/env python3
"""B, idle. The system calls of a watcher for which there is nothing to do.

  watch_idle.py [--seconds 60] [--out F.jsonl] NAME=COMMAND...

Every thread of the tool and of what it started is traced; a call that was begun before and has not returned is none."""
import argparse, collections, os, re, shutil, signal, subprocess, time
from peerlib import *

ap = argparse.ArgumentParser()
ap.add_argument("--seconds", type=float, default=60)
ap.add_argument("--out")
ap.add_argument("tools", nargs="+")
a = ap.parse_args()
for name, cmd in named(a.tools):
    top = scratch()
    d = top + "/proj"
    os.makedirs(d + "/pkg")
    for i in range(12):
        save(f"{d}/pkg/m{i}.py", b"x = 1\n", "write")
    st = Stamps(top)
    t = Tool(cmd.format(dir=d, file=d + "/pkg/m5.py", stamp=st.exe, top=top), cwd=d)
    time.sleep(4)
    pids = [x for p in tree(t.p.pid) for x in ("-p", str(p))]
    trace = subprocess.Popen(["strace", "-f", "-qq", "-o", top + "/trace", *pids], stderr=subprocess.DEVNULL)
    time.sleep(a.seconds)
    trace.send_signal(signal.SIGINT)
    trace.wait()
    calls = collections.Counter()
    for line in open(top + "/trace", errors="replace"):
        m = re.match(r"\d+ +(?:<\.\.\. )?(\w+).* = ", line)
        if m:
            calls[m.group(1)] += 1
    emit(dict(measure="B-idle", tool=name, seconds=a.seconds, calls=sum(calls.values()), most=calls.most_common(3)), a.out)
    t.stop()
    shutil.rmtree(top, ignore_errors=True)
