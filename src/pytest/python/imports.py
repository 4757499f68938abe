"""What a Python file imports, by Python's own parser. It is never run. Standard library alone."""

import ast
import os
import sys

LOADERS = {"import_module", "__import__", "importorskip", "run_module", "find_spec", "reload"}
RUNNERS = {"run_path", "exec", "spec_from_file_location", "SourceFileLoader", "walk_packages", "iter_modules"}


def extract(path):
    """The names that a file imports: absolute ones, and relative ones with a dot for each level; the texts in it that may be
    paths; whether it may import what nobody can tell."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read(), path)
        found = Finder()
        found.visit_all(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError) as error:
        return {"names": [], "texts": [], "uses": [], "dynamic": False, "error": type(error).__name__}
    return {
        "names": sorted(found.names),
        "texts": sorted(found.texts),
        "uses": sorted(found.uses()),
        "dynamic": found.dynamic,
    }


class Finder:
    def __init__(self):
        self.names = set()
        self.texts = set()
        # What imports give names to, and what is asked of names.
        self.bound = {}
        self.asked = set()
        self.dynamic = False

    def uses(self):
        """The names below those that are imported, two deep: modules may be among them."""
        found = set()
        for root, *rest in self.asked:
            for name in self.bound.get(root, ()):
                for part in rest:
                    name += "." + part
                    found.add(name)
        return found

    def visit_all(self, tree):
        # Not ast.walk's order, but no recursion: a file may be nested as deep as the parser lets it.
        waiting = [tree]
        while waiting:
            node = waiting.pop()
            waiting.extend(ast.iter_child_nodes(node))
            if isinstance(node, ast.Import):
                self.names.update(alias.name for alias in node.names)
                for alias in node.names:
                    first = alias.name.split(".")[0]
                    self.bound.setdefault(alias.asname or first, set()).add(alias.name if alias.asname else first)
            elif isinstance(node, ast.Attribute):
                self.attribute(node)
            elif isinstance(node, ast.ImportFrom):
                self.from_(node)
            elif isinstance(node, ast.Call):
                self.call(node)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                self.assign(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.text(node.value)

    def from_(self, node):
        base = "." * node.level + (node.module or "")
        self.names.add(base)
        for alias in node.names:
            if alias.name != "*":
                name = base + alias.name if base.endswith(".") else base + "." + alias.name
                self.names.add(name)
                if not node.level:
                    self.bound.setdefault(alias.asname or alias.name, set()).add(name)

    def attribute(self, node):
        parts = []
        while isinstance(node, ast.Attribute) and len(parts) < 8:
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            self.asked.add((node.id, *parts[:-3:-1]))

    def call(self, node):
        function = node.func
        name = getattr(function, "attr", None) or getattr(function, "id", None)
        if name in RUNNERS:
            self.dynamic = True
        elif name in LOADERS:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                self.names.add(first.value)
                # A relative name counts from a package that may be any.
                self.dynamic |= first.value.startswith(".")
            else:
                self.dynamic = True

    def assign(self, node):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        is_plugins = any(getattr(target, "id", None) == "pytest_plugins" for target in targets)
        if not is_plugins or node.value is None:
            return
        values = node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else [node.value]
        for value in values:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                self.names.add(value.value)
            else:
                self.dynamic = True

    def text(self, value):
        # `mock.patch("app.model.load")` names a module, `open("data/x.csv")` a file.
        if 3 <= len(value) <= 200 and ("." in value or "/" in value) and not any(c.isspace() for c in value):
            self.texts.add(value)


def main():
    import json

    out = sys.stdout
    for path in sys.stdin.buffer.read().split(b"\0"):
        if path:
            name = os.fsdecode(path)
            out.write(json.dumps(dict(extract(name), path=name)) + "\n")
    out.flush()


if __name__ == "__main__" and sys.argv[1:] == ["imports"]:
    main()
