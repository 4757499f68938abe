//! Lays profile layers over each other. What happens to an entry that both have is one table; everything that is
//! not in it is replaced by the later layer, and tables are merged key by key.

use crate::document::tree::{Node, Value, matches};

/// How two values at the same path become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    /// Both lists, the later one first, each item once.
    LaterFirst,
    /// Both lists, the later one last, each item once.
    LaterLast,
    /// Both texts, one after the other.
    Texts,
    /// Lists of dotfiles: the later entry for a target replaces the earlier one.
    Targets,
}

const JOINS: &[(&str, Join)] = &[
    ("path.prepend", Join::LaterFirst),
    ("path.append", Join::LaterLast),
    ("credential_profiles", Join::LaterLast),
    ("starters", Join::LaterLast),
    ("shell.*.early", Join::Texts),
    ("shell.*.late", Join::Texts),
    ("dotfile", Join::Targets),
];

/// Lays `over` over `under`. `replaced` sees every earlier and later dotfile that claim one target.
pub(super) fn lay(under: &mut Node, over: Node, replaced: &mut impl FnMut(&Node, &Node)) {
    lay_at(&mut Vec::new(), under, over, replaced);
}

fn lay_at(path: &mut Vec<String>, under: &mut Node, over: Node, replaced: &mut impl FnMut(&Node, &Node)) {
    let join = JOINS.iter().find(|(pattern, _)| matches(pattern, path)).map(|(_, join)| *join);
    match (&mut under.value, over.value) {
        (Value::Table(below), Value::Table(above)) => {
            for (key, node) in above {
                match below.get_mut(&key) {
                    Some(old) => {
                        path.push(key);
                        lay_at(path, old, node, replaced);
                        path.pop();
                    }
                    None => {
                        below.insert(key, node);
                    }
                }
            }
        }
        (Value::List(below), Value::List(above)) if join == Some(Join::Targets) => {
            for node in above {
                let target = target_of(&node);
                match below.iter_mut().find(|old| target.is_some() && target_of(old) == target) {
                    Some(old) => {
                        replaced(old, &node);
                        *old = node;
                    }
                    None => below.push(node),
                }
            }
        }
        (Value::List(below), Value::List(mut above)) if join.is_some() => {
            if join == Some(Join::LaterFirst) {
                std::mem::swap(below, &mut above);
            }
            above.retain(|node| !below.iter().any(|old| old.text() == node.text()));
            below.append(&mut above);
        }
        (Value::Text(below), Value::Text(above)) if join == Some(Join::Texts) => {
            if !below.is_empty() && !below.ends_with('\n') {
                below.push('\n');
            }
            below.push_str(&above);
        }
        (_, value) => *under = Node { value, at: over.at, key_at: over.key_at },
    }
}

/// The target of a dotfile entry in one spelling.
pub(super) fn target_of(entry: &Node) -> Option<String> {
    let text = entry.get("target")?.text()?;
    crate::base::path::HomePath::parse(text).ok().map(|path| path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tree::parse;

    fn merged(texts: &[&str]) -> (serde_json::Value, usize) {
        let mut problems = Vec::new();
        let mut trees = texts.iter().enumerate().map(|(i, text)| parse(text, "x", i, &mut problems));
        let mut under = trees.next().unwrap();
        let mut replaced = 0;
        for tree in trees {
            lay(&mut under, tree, &mut |_, _| replaced += 1);
        }
        assert!(problems.is_empty());
        (under.to_json(), replaced)
    }

    #[test]
    fn later_entries_win_and_the_rest_stays() {
        let (json, replaced) = merged(&[
            "[aliases]\na='1'\nb='1'\n[path]\nprepend=['/x','/y']\nappend=['/e']\n[kit.v]\nurl='a/b'\ndepth=1\n[shell.zsh]\nlate='one'\n[[dotfile]]\ntarget='~/.a'\ntext='1'\n[[dotfile]]\ntarget='~/.b'",
            "[aliases]\nb='2'\n[path]\nprepend=['/z','/x']\nappend=['/f','/e']\n[kit.v]\ndepth=0\n[shell.zsh]\nlate='two'\n[[dotfile]]\ntarget='./.a'\ntext='2'",
        ]);
        assert_eq!(json["aliases"], serde_json::json!({"a": "1", "b": "2"}));
        assert_eq!(json["path"], serde_json::json!({"prepend": ["/z", "/x", "/y"], "append": ["/e", "/f"]}));
        assert_eq!(json["kit"]["v"], serde_json::json!({"url": "a/b", "depth": 0}));
        assert_eq!(json["shell"]["zsh"]["late"], "one\ntwo");
        assert_eq!(json["dotfile"].as_array().unwrap().len(), 2);
        assert_eq!((json["dotfile"][0]["text"].as_str(), replaced), (Some("2"), 1));
    }

    #[test]
    fn laying_a_layer_twice_changes_nothing_but_joined_texts() {
        let text = "[aliases]\na='1'\n[path]\nprepend=['/x']\n[[dotfile]]\ntarget='~/.a'\n";
        assert_eq!(merged(&[text, text]).0, merged(&[text]).0);
    }
}
