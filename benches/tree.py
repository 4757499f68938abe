#!/usr/bin/env python3
"""tree.py DIR [--dirs 10000] [--files 100000]: a tree like one of sources, the same every time."""
import argparse, os

ap = argparse.ArgumentParser()
ap.add_argument("dir")
ap.add_argument("--dirs", type=int, default=10000)
ap.add_argument("--files", type=int, default=100000)
a = ap.parse_args()
paths, per = [a.dir], 22
os.makedirs(a.dir, exist_ok=True)
i = 0
while len(paths) < a.dirs + 1:  # breadth first, 22 folders in each: three levels at 10,000
    p = os.path.join(paths[i // per], f"d{i % per:02d}")
    os.mkdir(p)
    paths.append(p)
    i += 1
for f in range(a.files):
    p = paths[1 + f % a.dirs]
    with open(f"{p}/f{f // a.dirs:02d}.py", "w") as h:
        h.write(f"x = {f}\n")
print(len(paths), "folders with the top,", a.files, "files")
