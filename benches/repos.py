#!/usr/bin/env python3
"""repos.py DIR [--repos 8] [--files 2000] [--commits 500]: bare repositories r0.git ... made with
git fast-import: deterministic, text-like files of ~1-6 kB, each commit edits 5 of them."""
import argparse, os, random, subprocess

ap = argparse.ArgumentParser()
ap.add_argument("dir")
ap.add_argument("--repos", type=int, default=8)
ap.add_argument("--files", type=int, default=2000)
ap.add_argument("--commits", type=int, default=500)
a = ap.parse_args()
words = [w + s for w in "load save train model data clean split score report config api batch queue cache index frame".split()
         for s in ("", "_a", "_b", "er", "s", "_at", "_of")]
for n in range(a.repos):
    rng, d = random.Random(n), f"{a.dir}/r{n}.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", d], check=True)
    p = subprocess.Popen(["git", "--git-dir", d, "fast-import", "--quiet"], stdin=subprocess.PIPE)
    line = lambda: (" " * 4 * rng.randrange(3) + " ".join(rng.choices(words, k=rng.randrange(3, 9))) + f" = {rng.randrange(10**6)}\n").encode()
    files = [[line() for _ in range(rng.randrange(20, 130))] for _ in range(a.files)]
    name = lambda i: f"src/p{i % 40:02d}/m{i // 40:03d}.py"
    w = p.stdin.write
    for c in range(a.commits):
        m = f"commit {c}\n".encode()
        w(b"commit refs/heads/main\ncommitter T <t@example.invalid> %d +0000\ndata %d\n%s" % (1700000000 + c * 600, len(m), m))
        for i in (range(a.files) if c == 0 else rng.sample(range(a.files), 5)):
            if c:
                files[i][rng.randrange(len(files[i]))] = line()
            b = b"".join(files[i])
            w(b"M 100644 inline %s\ndata %d\n%s\n" % (name(i).encode(), len(b), b))
    p.stdin.close()
    assert p.wait() == 0
    subprocess.run(["git", "--git-dir", d, "repack", "-adq", "--window=10", "--threads=1"], check=True)
    for k in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        subprocess.run(["git", "--git-dir", d, "config", k, "true"], check=True)
    open(d + "/git-daemon-export-ok", "w").close()
