//! Fingerprints: equal means equal, and what differs is named.

use proptest::prelude::*;

use super::*;

type Items<'a> = &'a [(Kind, &'a str, &'a str)];

fn of(items: Items<'_>) -> Fingerprint {
    let mut found = Fingerprint::new();
    let is_input = |(kind, ..): &&(Kind, &str, &str)| *kind == Kind::Input;
    for (kind, name, value) in items.iter().filter(|item| !is_input(item)) {
        found.add(*kind, *name, *value);
    }
    let inputs = items.iter().filter(is_input);
    let names = Names::sorted(inputs.clone().map(|(_, name, _)| *name));
    found.set_inputs(Inputs::of(names), inputs.map(|(.., value)| State::of_text(value).unwrap()).collect());
    found
}

fn words(old: Items<'_>, new: Items<'_>) -> String {
    of(new).first_difference(&of(old)).map_or_else(String::new, |difference| difference.to_string())
}

#[test]
fn the_first_difference_is_named_with_old_and_new() {
    use Kind::*;
    let (a, b) = (Digest::of(b"a").to_string(), Digest::of(b"b").to_string());
    let cases: [(Items<'_>, Items<'_>, String); 9] = [
        (&[(Input, "a.py", &a)], &[(Input, "a.py", &b)], format!("a.py changed ({} → {})", &a[..8], &b[..8])),
        (&[], &[(Input, "a\n.py", &a)], "a\\u{a}.py is new".into()),
        (&[(Input, "a.py", &a)], &[], "a.py is gone".into()),
        (
            &[(Param, "params.yaml: lr", "0.1")],
            &[(Param, "params.yaml: lr", "0.2")],
            "params.yaml: lr 0.1 → 0.2".into(),
        ),
        (&[(Package, "numpy", "1.26")], &[(Package, "numpy", "2.0")], "package numpy 1.26 → 2.0".into()),
        (&[], &[(Package, "numpy", "2.0")], "package numpy 2.0 was installed".into()),
        (&[(Variable, "TOKEN", &a)], &[(Variable, "TOKEN", &b)], "$TOKEN changed".into()),
        (&[(Python, "", "3.11.7")], &[(Python, "", "3.12.1")], "Python changed: 3.11.7 → 3.12.1".into()),
        (
            &[(Command, "command", "ls"), (Input, "a", &a), (Input, "b", &a)],
            &[(Command, "command", "ls -l"), (Input, "a", &b)],
            "its command changed: ls → ls -l, and 2 other items".into(),
        ),
    ];
    for (old, new, expected) in cases {
        assert_eq!(words(old, new), expected);
    }
    assert_eq!(words(&[(Input, "a", &a)], &[(Input, "a", &a)]), "");
}

#[test]
fn long_values_are_digests() {
    let long = "x".repeat(10_000);
    assert!(of(&[(Kind::Command, "command", &long)]).to_bytes().len() < 200);
}

fn state() -> impl Strategy<Value = State> {
    let file = |(byte, executable): (u8, bool)| State::File { digest: Digest::of(&[byte % 2]), executable };
    prop_oneof![any::<(u8, bool)>().prop_map(file), Just(State::Missing), Just(State::Dir)]
}

type Texts = BTreeMap<String, String>;
type States = BTreeMap<String, State>;

fn some() -> impl Strategy<Value = (Texts, States, Texts)> {
    let texts = || prop::collection::btree_map("[a-c]{1,2}", ".{0,3}", 0..5);
    (texts(), prop::collection::btree_map("[a-c]{1,2}", state(), 0..5), texts())
}

fn made((params, inputs, variables): &(Texts, States, Texts)) -> Fingerprint {
    let mut found = Fingerprint::new();
    params.iter().for_each(|(name, value)| found.add(Kind::Param, name.as_str(), value.as_str()));
    variables.iter().for_each(|(name, value)| found.add(Kind::Variable, name.as_str(), value.as_str()));
    found.set_inputs(Inputs::of(Names::sorted(inputs.keys())), inputs.values().cloned().collect());
    found
}

proptest! {
    #[test]
    fn what_is_kept_is_what_was_and_equal_means_equal(a in some(), b in some()) {
        let (one, other) = (made(&a), made(&b));
        let again = Fingerprint::from_bytes(&one.to_bytes()).unwrap();
        prop_assert_eq!(again.digest(), one.digest());
        prop_assert_eq!(again.first_difference(&one), None);
        let items = |some: &(Texts, States, Texts)| {
            let mut some = some.clone();
            some.1.retain(|_, state| *state != State::Dir);
            some
        };
        let same = items(&a) == items(&b);
        prop_assert_eq!(one.digest() == other.digest(), same);
        prop_assert_eq!(one.first_difference(&other).is_none(), same);
    }

    #[test]
    fn the_first_difference_is_the_first_and_all_are_counted(a in some(), b in some()) {
        let texts = |of: &Fingerprint| -> BTreeMap<(Kind, String), String> {
            of.iter().map(|((kind, name), value)| ((kind, name.to_owned()), value.text())).collect()
        };
        let (old, new) = (made(&a), made(&b));
        let (before, after) = (texts(&old), texts(&new));
        let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let different: Vec<_> = keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).collect();
        let expected = different.first().map(|key| Difference {
            kind: key.0,
            name: key.1.clone(),
            old: before.get(*key).cloned(),
            new: after.get(*key).cloned(),
            count: different.len(),
        });
        prop_assert_eq!(new.first_difference(&old), expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Fingerprint::from_bytes(&bytes);
    }
}
