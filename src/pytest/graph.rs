//! Who depends on whom: an edge for each import that a file may make and for each file that it was seen to read. Pure.
//!
//! The graph says too much rather than too little: a name that fits several files means all of them, a text that looks like a
//! module or a path counts as one. Python's own parser names the imports (`python/imports.py`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What a file imports, as it stands in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    /// Names: absolute ones, and relative ones with a dot for each level.
    #[serde(default)]
    pub names: Vec<String>,
    /// Texts that may be modules or paths.
    #[serde(default)]
    pub texts: Vec<String>,
    /// Names below those that it imports, which may be modules: `numpy.linalg` for `np.linalg.inv`.
    #[serde(default)]
    pub uses: Vec<String>,
    /// Whether it imports what nobody can tell from its text.
    #[serde(default)]
    pub dynamic: bool,
}

/// Reads what `imports.py` writes: a line of JSON for each file. Files outside the root are left out.
pub fn read_extracted(text: &[u8], root: &Path) -> Vec<(String, Extracted)> {
    #[derive(Deserialize)]
    struct Line {
        path: String,
        #[serde(flatten)]
        extracted: Extracted,
    }
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| {
            let line: Line = serde_json::from_slice(line).ok()?;
            let path = Path::new(&line.path).strip_prefix(root).ok()?.to_str()?.to_owned();
            Some((path, line.extracted))
        })
        .collect()
}

/// The graph.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<String>,
    places: HashMap<String, u32>,
    edges: Vec<Vec<u32>>,
    dynamic: Vec<bool>,
}

/// All that a file depends on.
#[derive(Debug)]
pub struct Reach<'a> {
    graph: &'a Graph,
    /// In the order of their distance, with who led to each.
    found: Vec<(u32, Option<u32>)>,
    /// Whether one of them imports what nobody can tell.
    pub dynamic: bool,
}

impl Graph {
    /// The graph of a project's files. `reads` are the paths that each file was seen to read; one may be a directory, or ignored.
    pub fn of<'a>(
        files: impl Iterator<Item = &'a str>,
        extracted: &BTreeMap<String, Extracted>,
        reads: &BTreeMap<String, Vec<String>>,
    ) -> Self {
        let mut graph = Self::default();
        for file in files {
            graph.node(file);
        }
        let names = Names::of(&graph.nodes);
        for (file, extracted) in extracted {
            let Some(&at) = graph.places.get(file) else { continue };
            let found = names.of_file(file, extracted);
            graph.dynamic[at as usize] = extracted.dynamic;
            graph.edges[at as usize].extend(found.iter().filter_map(|file| graph.places.get(file.as_str())));
        }
        for (owner, paths) in reads {
            let Some(&owner) = graph.places.get(owner) else { continue };
            for path in paths {
                let read = graph.node(path);
                graph.edges[owner as usize].push(read);
            }
        }
        for edges in &mut graph.edges {
            edges.sort_unstable();
            edges.dedup();
        }
        graph
    }

    fn node(&mut self, file: &str) -> u32 {
        if let Some(at) = self.places.get(file) {
            return *at;
        }
        let at = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(file.to_owned());
        self.places.insert(file.to_owned(), at);
        self.edges.push(Vec::new());
        self.dynamic.push(false);
        at
    }

    /// All that these files depend on, they first.
    pub fn reach<'a>(&self, from: impl Iterator<Item = &'a str>) -> Reach<'_> {
        let mut seen = vec![false; self.nodes.len()];
        let (mut found, mut queue, mut dynamic) = (Vec::new(), VecDeque::new(), false);
        for at in from.filter_map(|file| self.places.get(file).copied()) {
            if !std::mem::replace(&mut seen[at as usize], true) {
                queue.push_back((at, None));
            }
        }
        while let Some((at, by)) = queue.pop_front() {
            found.push((at, by));
            dynamic |= self.dynamic[at as usize];
            for &next in &self.edges[at as usize] {
                if !std::mem::replace(&mut seen[next as usize], true) {
                    queue.push_back((next, Some(at)));
                }
            }
        }
        Reach { graph: self, found, dynamic }
    }
}

impl Reach<'_> {
    /// The files, the nearest first.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.found.iter().map(|(at, _)| self.graph.nodes[*at as usize].as_str())
    }

    /// The way from where it began to the nearest of these files, both included.
    pub fn way_to(&self, wanted: impl Fn(&str) -> bool) -> Option<Vec<&str>> {
        let name = |at: u32| self.graph.nodes[at as usize].as_str();
        let before: HashMap<u32, Option<u32>> = self.found.iter().copied().collect();
        let mut at = self.found.iter().map(|(at, _)| *at).find(|at| wanted(name(*at)))?;
        let mut way = vec![name(at)];
        while let Some(Some(by)) = before.get(&at) {
            at = *by;
            way.push(name(at));
        }
        way.reverse();
        Some(way)
    }
}

/// The files that a module's name may mean.
struct Names<'a> {
    files: HashSet<&'a str>,
    modules: HashMap<String, Vec<&'a str>>,
}

impl<'a> Names<'a> {
    fn of(files: &'a [String]) -> Self {
        let all: HashSet<&str> = files.iter().map(String::as_str).collect();
        let is_package = |dir: &str| !dir.is_empty() && all.contains(format!("{dir}/__init__.py").as_str());
        let mut modules: HashMap<String, Vec<&str>> = HashMap::new();
        for file in files.iter().filter_map(|file| file.strip_suffix(".py").map(|stem| (stem, file.as_str())))
        {
            let (stem, file) = file;
            let stem = stem.strip_suffix("/__init__").unwrap_or(stem);
            // Every directory that is no package may be where Python looks, or a part of a namespace.
            let ends = stem.match_indices('/').map(|(at, _)| at);
            for root in std::iter::once(None).chain(ends.map(Some)) {
                let (root, name) = root.map_or(("", stem), |at| (&stem[..at], &stem[at + 1..]));
                if !is_package(root) {
                    modules.entry(name.replace('/', ".")).or_default().push(file);
                }
            }
        }
        Self { files: all, modules }
    }

    fn of_file(&self, file: &str, extracted: &Extracted) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let dir = file.rsplit_once('/').map_or("", |(dir, _)| dir);
        // To import a module is to run its packages first.
        for (at, _) in file.match_indices('/') {
            self.add(&mut found, &format!("{}/__init__.py", &file[..at]));
        }
        for name in &extracted.names {
            let level = name.bytes().take_while(|byte| *byte == b'.').count();
            if level == 0 {
                self.absolute(&mut found, name);
            } else {
                self.relative(&mut found, dir, level, &name[level..]);
            }
        }
        for text in &extracted.texts {
            if !text.contains('/') {
                self.absolute(&mut found, text);
            }
            let path = text.trim_start_matches("./");
            self.add(&mut found, path);
            self.add(&mut found, &joined(dir, path));
        }
        found.remove(file);
        found
    }

    fn add(&self, found: &mut BTreeSet<String>, file: &str) {
        if self.files.contains(file) {
            found.insert(file.to_owned());
        }
    }

    /// A dotted name, and each of its beginnings: `a.b` runs `a`.
    fn absolute(&self, found: &mut BTreeSet<String>, name: &str) {
        let ends = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
        for end in ends {
            let files = self.modules.get(&name[..end]).into_iter().flatten();
            found.extend(files.map(|file| (*file).to_owned()));
        }
    }

    fn relative(&self, found: &mut BTreeSet<String>, dir: &str, level: usize, name: &str) {
        let mut base = Some(dir);
        for _ in 1..level {
            base = base
                .filter(|base| !base.is_empty())
                .map(|base| base.rsplit_once('/').map_or("", |(up, _)| up));
        }
        let Some(base) = base else { return };
        let mut path = base.to_owned();
        self.add(found, &joined(&path, "__init__.py"));
        for part in name.split('.').filter(|part| !part.is_empty()) {
            path = joined(&path, part);
            self.add(found, &format!("{path}.py"));
            self.add(found, &format!("{path}/__init__.py"));
        }
    }
}

fn joined(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extracted(names: &[&str], texts: &[&str]) -> Extracted {
        let own = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        Extracted { names: own(names), texts: own(texts), ..Extracted::default() }
    }

    fn reach(files: &[&str], imports: &[(&str, Extracted)], from: &str) -> Vec<String> {
        let extracted =
            imports.iter().map(|(file, extracted)| ((*file).to_owned(), extracted.clone())).collect();
        let graph = Graph::of(files.iter().copied(), &extracted, &BTreeMap::new());
        let mut found: Vec<String> = graph.reach([from].into_iter()).files().map(str::to_owned).collect();
        found.sort();
        found
    }

    #[test]
    fn names_lead_to_files_in_packages_namespaces_and_src() {
        let files = [
            "app/__init__.py",
            "app/model.py",
            "app/io/__init__.py",
            "app/io/csv.py",
            "src/lib/core.py",
            "ns/part/x.py",
            "tests/helper.py",
            "tests/test_a.py",
            "csv.py",
        ];
        let of =
            |names: &[&str]| reach(&files, &[("tests/test_a.py", extracted(names, &[]))], "tests/test_a.py");
        assert_eq!(of(&["app.model"]), ["app/__init__.py", "app/model.py", "tests/test_a.py"]);
        assert_eq!(of(&["app", "app.io"]), ["app/__init__.py", "app/io/__init__.py", "tests/test_a.py"]);
        assert_eq!(of(&["lib.core"]), ["src/lib/core.py", "tests/test_a.py"]);
        assert_eq!(of(&["ns.part.x"]), ["ns/part/x.py", "tests/test_a.py"]);
        assert_eq!(of(&["helper"]), ["tests/helper.py", "tests/test_a.py"]);
        // A module of a package is not found by its last name alone: `csv` is the one beside.
        assert_eq!(of(&["csv"]), ["csv.py", "tests/test_a.py"]);
        assert_eq!(of(&["numpy"]), ["tests/test_a.py"]);
    }

    #[test]
    fn relative_names_count_from_their_package() {
        let files = ["a/__init__.py", "a/b/__init__.py", "a/b/c.py", "a/b/d.py", "a/e.py"];
        let of = |names: &[&str]| reach(&files, &[("a/b/c.py", extracted(names, &[]))], "a/b/c.py");
        assert_eq!(of(&[".", ".d"]), ["a/__init__.py", "a/b/__init__.py", "a/b/c.py", "a/b/d.py"]);
        assert_eq!(of(&["..", "..e"]), ["a/__init__.py", "a/b/__init__.py", "a/b/c.py", "a/e.py"]);
        assert_eq!(of(&["....e"]), ["a/__init__.py", "a/b/__init__.py", "a/b/c.py"]);
    }

    #[test]
    fn texts_may_be_modules_and_paths() {
        let files = ["app/model.py", "data/x.csv", "tests/data.json", "tests/test_a.py"];
        let texts = ["app.model.load", "data/x.csv", "data.json"];
        let found = reach(&files, &[("tests/test_a.py", extracted(&[], &texts))], "tests/test_a.py");
        assert_eq!(found, ["app/model.py", "data/x.csv", "tests/data.json", "tests/test_a.py"]);
    }

    #[test]
    fn the_way_is_the_shortest_and_loops_end() {
        let files = ["t.py", "a.py", "b.py", "c.py"];
        let all = [
            ("t.py", extracted(&["a", "b"], &[])),
            ("a.py", extracted(&["c"], &[])),
            ("b.py", extracted(&["a"], &[])),
            ("c.py", extracted(&["t"], &[])),
        ];
        let extracted = all.map(|(file, extracted)| (file.to_owned(), extracted)).into();
        let reads = [("c.py".to_owned(), vec!["made/data.bin".to_owned()])].into();
        let graph = Graph::of(files.into_iter(), &extracted, &reads);
        let reach = graph.reach(["t.py"].into_iter());
        assert_eq!(reach.way_to(|file| file == "c.py").unwrap(), ["t.py", "a.py", "c.py"]);
        assert_eq!(
            reach.way_to(|file| file == "made/data.bin").unwrap(),
            ["t.py", "a.py", "c.py", "made/data.bin"]
        );
        assert_eq!(reach.way_to(|file| file == "t.py").unwrap(), ["t.py"]);
        assert!(reach.way_to(|file| file == "d.py").is_none());
    }
}
