//! Which commit is meant, and which attempts lead to it: from what a server advertises to what is fetched. Pure
//! but for the last look-up.

use git2::{Oid, Reference, Repository};

/// What a clone ends up at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// The tip of a branch, which is then followed.
    Branch(String),
    /// A tag.
    Tag(String),
    /// Exactly this commit.
    Commit(String),
}

impl Want {
    /// The name as it was asked for.
    pub fn name(&self) -> &str {
        match self {
            Self::Branch(name) | Self::Tag(name) | Self::Commit(name) => name,
        }
    }
}

/// One reference that a server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// Its full name.
    pub name: String,
    /// What it points to.
    pub oid: Oid,
    /// The name of another reference, when it stands for that.
    pub symref: Option<String>,
}

/// What is wanted, the refspecs that should bring it, and the depth.
pub type Attempt = (Want, Vec<String>, Option<u32>);

/// Whether a text can be the beginning of a commit's digits.
pub fn looks_like_commit(text: &str) -> bool {
    (7..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a text names a commit in full.
pub fn is_full_commit(text: &str) -> bool {
    text.len() == 40 && looks_like_commit(text)
}

/// The attempts in the order of their price; `None` when what is wanted is not there.
pub fn attempts(offered: &[Advertised], wanted: Option<&str>, depth: Option<u32>) -> Option<Vec<Attempt>> {
    let has = |name: &str| offered.iter().any(|one| one.name == name);
    match wanted {
        None => {
            let branch = default_branch(offered)?;
            Some(vec![(Want::Branch(branch.clone()), vec![branch_spec(&branch)], depth)])
        }
        Some(commit) if is_full_commit(commit) => {
            let commit = commit.to_ascii_lowercase();
            (!offered.is_empty()).then(|| commit_attempts(offered, &commit, depth))
        }
        Some(name) if !Reference::is_valid_name(&format!("refs/heads/{name}")) => None,
        Some(name) if has(&format!("refs/heads/{name}")) => {
            Some(vec![(Want::Branch(name.to_owned()), vec![branch_spec(name)], depth)])
        }
        Some(name) if has(&format!("refs/tags/{name}")) => {
            let spec = format!("+refs/tags/{name}:refs/tags/{name}");
            Some(vec![(Want::Tag(name.to_owned()), vec![spec], depth)])
        }
        Some(_) => None,
    }
}

/// What a lone refspec stands for, if it names something that is offered: the object, and the reference that it
/// is kept as.
pub fn single(offered: &[Advertised], refspecs: &[String]) -> Option<(Oid, String)> {
    let [refspec] = refspecs else { return None };
    let (source, kept) = refspec.strip_prefix('+')?.split_once(':')?;
    let one = offered.iter().find(|one| one.name == source)?;
    Some((one.oid, kept.to_owned()))
}

/// A pinned commit: by the reference that stands at it, else by its digits, else in the whole history of the
/// default branch, else anywhere.
fn commit_attempts(offered: &[Advertised], commit: &str, depth: Option<u32>) -> Vec<Attempt> {
    let want = Want::Commit(commit.to_owned());
    let mut attempts = Vec::new();
    let at_tip = offered.iter().find(|one| {
        one.oid.to_string() == commit
            && (one.name.starts_with("refs/heads/") || one.name.starts_with("refs/tags/"))
    });
    match at_tip.map(|one| one.name.trim_end_matches("^{}")) {
        Some(name) if Reference::is_valid_name(name) => {
            attempts.push((want.clone(), vec![format!("+{name}:{}", kept_as(name))], depth));
        }
        _ => attempts.push((want.clone(), vec![commit.to_owned()], depth)),
    }
    if let Some(branch) = default_branch(offered) {
        attempts.push((want.clone(), vec![branch_spec(&branch)], None));
    }
    let everything = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
    attempts.push((want, everything.map(str::to_owned).into(), None));
    attempts
}

fn kept_as(name: &str) -> String {
    match name.strip_prefix("refs/heads/") {
        Some(branch) => format!("refs/remotes/origin/{branch}"),
        None => name.to_owned(),
    }
}

fn branch_spec(branch: &str) -> String {
    format!("+refs/heads/{branch}:refs/remotes/origin/{branch}")
}

/// The branch that HEAD stands for; an old server does not say, then the one at HEAD's commit, `main` and
/// `master` first.
fn default_branch(offered: &[Advertised]) -> Option<String> {
    let head = offered.iter().find(|one| one.name == "HEAD")?;
    let valid = |name: &str| Reference::is_valid_name(&format!("refs/heads/{name}")).then(|| name.to_owned());
    if let Some(branch) = head.symref.as_deref().and_then(|name| name.strip_prefix("refs/heads/")) {
        return valid(branch);
    }
    let at_head = |one: &Advertised| {
        let branch = one.name.strip_prefix("refs/heads/").filter(|_| one.oid == head.oid)?;
        valid(branch)
    };
    let mut branches: Vec<String> = offered.iter().filter_map(at_head).collect();
    branches.sort_by_key(|name| (name != "main", name != "master"));
    branches.into_iter().next()
}

/// The commit that a fetched want stands for.
pub fn resolve(repo: &Repository, want: &Want) -> Option<Oid> {
    let object = match want {
        Want::Branch(name) => {
            repo.find_reference(&format!("refs/remotes/origin/{name}")).ok()?.peel_to_commit()
        }
        Want::Tag(name) => repo.find_reference(&format!("refs/tags/{name}")).ok()?.peel_to_commit(),
        Want::Commit(digits) => repo.find_object(Oid::from_str(digits).ok()?, None).ok()?.peel_to_commit(),
    };
    object.ok().map(|commit| commit.id())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn one(name: &str, oid: &str, symref: Option<&str>) -> Advertised {
        let oid = Oid::from_str(oid).unwrap();
        Advertised { name: name.into(), oid, symref: symref.map(str::to_owned) }
    }

    #[test]
    fn the_default_branch_is_what_head_stands_for() {
        let offered = [one("HEAD", A, Some("refs/heads/trunk")), one("refs/heads/trunk", A, None)];
        assert_eq!(attempts(&offered, None, Some(1)).unwrap()[0].0, Want::Branch("trunk".into()));
        let old = [one("HEAD", A, None), one("refs/heads/a", A, None), one("refs/heads/master", A, None)];
        assert_eq!(attempts(&old, None, None).unwrap()[0].0, Want::Branch("master".into()));
        assert_eq!(attempts(&[], None, None), None);
    }

    #[test]
    fn a_pinned_commit_costs_as_little_as_the_server_allows() {
        let offered = [one("HEAD", A, Some("refs/heads/main")), one("refs/heads/main", A, None)];
        let at_tip = attempts(&offered, Some(A), Some(1)).unwrap();
        assert_eq!(at_tip[0].1, ["+refs/heads/main:refs/remotes/origin/main"]);
        assert_eq!(at_tip[0].2, Some(1));
        let deep = attempts(&offered, Some(B), Some(1)).unwrap();
        assert_eq!(deep[0].1, [B]);
        assert_eq!((deep.len(), deep[1].2), (3, None));
    }

    #[test]
    fn a_lone_refspec_stands_for_what_is_offered() {
        let offered = [one("HEAD", A, None), one("refs/heads/main", B, None)];
        let single =
            |specs: &[&str]| single(&offered, &specs.iter().map(|one| (*one).into()).collect::<Vec<_>>());
        let found = single(&["+refs/heads/main:refs/remotes/origin/main"]).unwrap();
        assert_eq!((found.0.to_string().as_str(), found.1.as_str()), (B, "refs/remotes/origin/main"));
        assert_eq!(single(&["+refs/heads/gone:refs/remotes/origin/gone"]), None);
        assert_eq!(single(&["+refs/heads/*:refs/remotes/origin/*"]), None);
        assert_eq!(single(&[A]), None);
        assert_eq!(single(&["+HEAD:refs/a", "+HEAD:refs/b"]), None);
    }

    #[test]
    fn names_that_are_not_there_or_not_names_are_refused() {
        let offered = [one("HEAD", A, None), one("refs/heads/main", A, None), one("refs/tags/v1", A, None)];
        assert_eq!(attempts(&offered, Some("v1"), None).unwrap()[0].0, Want::Tag("v1".into()));
        assert_eq!(attempts(&offered, Some("gone"), None), None);
        assert_eq!(attempts(&offered, Some("a:b"), None), None);
        assert_eq!(attempts(&offered, Some("../x"), None), None);
    }
}
