//! JavaScript: vitest, jest, node's own runner, else what `package.json` says.

use serde_json::Value;

use super::{Draft, Look, running};
use crate::project::schema::StagePart;

/// What starts an installed tool, by the lock file that shows which package manager is used.
const STARTERS: [(&str, &str, &str); 4] = [
    ("pnpm-lock.yaml", "pnpm exec", "pnpm"),
    ("yarn.lock", "yarn run", "yarn"),
    ("bun.lock", "bunx", "bun"),
    ("bun.lockb", "bunx", "bun"),
];

/// Ends of the names of files that node's own runner finds.
const TESTS: [&str; 6] = [".test.js", ".test.mjs", ".test.cjs", "-test.js", "_test.js", ".test.ts"];

pub(super) fn find(look: &Look<'_>, draft: &mut Draft) {
    let Some(text) = look.text("package.json") else { return };
    let Ok(package) = serde_json::from_str::<Value>(&text) else {
        draft.tell("package.json is not valid JSON");
        return;
    };
    let lock = STARTERS.iter().find(|(lock, ..)| look.files.iter().any(|file| file == lock));
    let (exec, tool) = lock.map_or(("npx", "npm"), |(_, exec, tool)| (*exec, *tool));
    let script =
        |name: &str| package["scripts"][name].as_str().map(str::trim).filter(|text| !text.is_empty());
    match test(look, &package, script("test"), exec, tool) {
        Ok(Some((part, why))) => draft.add("npm", "test", part, &why),
        Ok(None) => {}
        Err(remark) => draft.tell(remark),
    }
    if script("lint").is_some() {
        let command = format!("{tool} run lint");
        draft.add("npm", "lint", running(&command), &format!("`{command}`, a script of package.json"));
    }
}

fn test(
    look: &Look<'_>,
    package: &Value,
    script: Option<&str>,
    exec: &str,
    tool: &str,
) -> Result<Option<(StagePart, String)>, String> {
    let depends =
        |name: &str| ["devDependencies", "dependencies"].iter().any(|key| package[*key].get(name).is_some());
    let found = |command: String, why: &str| {
        let why = format!("`{command}`, {why}");
        Ok(Some((running(&command), why)))
    };
    let first = script.and_then(|text| text.split_whitespace().next()).unwrap_or_default();
    let is_default = script.is_some_and(|text| text.contains("no test specified"));
    for (name, arguments) in [("vitest", " run"), ("jest", "")] {
        // A script that does more than start the tool is started itself.
        if depends(name) && (first == name || script.is_none() || is_default) {
            return found(format!("{exec} {name}{arguments}"), "which package.json depends on");
        }
    }
    if let Some(text) = script.filter(|text| text.starts_with("node --test")) {
        return found(text.to_owned(), "the test script of package.json");
    }
    let tests = look.files.iter().find(|file| TESTS.iter().any(|end| file.ends_with(end)));
    match (script, tests) {
        (Some(_), _) if !is_default => {
            let mut part = running(&format!("{tool} test"));
            // Tools that wait for changes by themselves do not when they are told that nobody watches.
            part.env.insert("CI".into(), "true".into());
            Ok(Some((part, format!("`{tool} test`, a script of package.json"))))
        }
        (_, Some(test)) if !test.ends_with(".ts") => found("node --test".into(), &format!("for {test}")),
        (Some(_), _) => {
            Err("the test script of package.json is the one that npm writes first: it tests nothing".into())
        }
        (None, _) => Ok(None),
    }
}
