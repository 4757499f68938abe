//! The log under forgery, crashes and hostile names.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs;

use super::*;
use crate::sys::caller;

fn record(profile: &str) -> Record {
    Record {
        at: Timestamp(1_700_000_000),
        who: Who::new(Some(1), Some(0), caller::of(std::process::id())),
        event: "hand-over".into(),
        profile: Some(profile.into()),
        provider: Some("aws".into()),
        kind: Some("container".into()),
        result: "ok".into(),
    }
}

/// A log of these profiles.
fn log(profiles: &[&str]) -> Vec<u8> {
    let mut log = Vec::new();
    for profile in profiles {
        let piece = piece(&log, true, vec![record(profile)]);
        log.extend(piece);
    }
    log
}

fn lines(log: &[u8]) -> Vec<Vec<u8>> {
    log.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

const THREE: [&str; 3] = ["dev", "stage", "prod"];

#[test]
fn what_is_added_is_read_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    assert_eq!(check(&path).unwrap(), Ok(Count::default()));
    for profile in THREE {
        append(&path, record(profile)).unwrap();
    }
    let log = fs::read(&path).unwrap();
    assert_eq!(verify(&log), Ok(Count { records: 3, torn: 0 }));
    assert_eq!(check(&path).unwrap(), verify(&log));
    let mut given = Vec::new();
    each(&path, |record| given.push(record)).unwrap();
    assert_eq!(given, records(&log).collect::<Vec<_>>());
    let found: Vec<_> = records(&log).map(|record| record.profile.unwrap()).collect();
    assert_eq!(found, THREE);
    assert_eq!(records(&log).next().unwrap(), record("dev"));
}

#[test]
fn records_that_go_together_are_chained_as_if_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    append(&path, record("first")).unwrap();
    append_all(&path, THREE.map(record).to_vec()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), log(&["first", "dev", "stage", "prod"]));
}

#[test]
fn writers_at_once_make_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..10).for_each(|_| append(&path, record("dev")).unwrap()));
        }
    });
    assert_eq!(verify(&fs::read(&path).unwrap()), Ok(Count { records: 80, torn: 0 }));
}

#[test]
fn every_changed_missing_or_moved_line_is_found() {
    let whole = log(&["a", "b", "c", "d"]);
    let of = |lines: Vec<Vec<u8>>| verify(&lines.concat());
    for missing in 0..4 {
        let mut lines = lines(&whole);
        lines.remove(missing);
        assert!(of(lines).is_err(), "line {missing} missing");
    }
    let mut swapped = lines(&whole);
    swapped.swap(2, 3);
    assert_eq!(of(swapped), Err(Broken { line: 3, why: Why::Chain }));
    let changed = String::from_utf8(whole.clone()).unwrap().replacen("\"b\"", "\"x\"", 1);
    assert_eq!(verify(changed.as_bytes()), Err(Broken { line: 4, why: Why::Chain }));
    let last = whole.len() - lines(&whole)[4].len();
    for at in 0..last {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        assert!(verify(&flipped).is_err(), "byte {at}");
    }
}

#[test]
fn a_line_torn_at_any_byte_is_told_and_mended() {
    let whole = log(&THREE);
    for length in 0..whole.len() {
        let torn = whole[..length].to_vec();
        let on_a_line = length == 0 || torn.ends_with(b"\n");
        let before = verify(&torn).unwrap_or_else(|broken| panic!("{length}: {broken}"));
        assert_eq!(before.torn, usize::from(!on_a_line), "{length}");
        let mut mended = torn.clone();
        mended.extend(piece(&torn, true, vec![record("after")]));
        let after = verify(&mended).unwrap_or_else(|broken| panic!("{length}: {broken}"));
        assert_eq!(records(&mended).last().unwrap().profile.as_deref(), Some("after"));
        assert!(after.records > before.records && after.torn <= before.torn, "{length}");
    }
}

#[test]
fn a_forged_line_does_not_pass_as_a_torn_one() {
    let mut forged = log(&THREE);
    forged.extend(b"{\"before\":\"0000");
    assert_eq!(verify(&forged), Err(Broken { line: 5, why: Why::NoRecord }));
    let mut cut = lines(&log(&THREE));
    cut[2] = [&cut[2][..100], b"\n"].concat();
    assert_eq!(verify(&cut.concat()), Err(Broken { line: 3, why: Why::NoRecord }));
    for (text, why) in
        [("x\n", Why::NoLog), ("x", Why::NoLog), ("\n", Why::NoLog), ("{\"devboot-audit\":2}\n", Why::Newer)]
    {
        assert_eq!(verify(text.as_bytes()), Err(Broken { line: 1, why }), "{text:?}");
    }
}

#[test]
fn hostile_words_stay_on_their_line_and_long_ones_are_cut() {
    let nasty = "a\n{\"before\":\"\r\u{0}\u{1b}[2J\u{9b}\u{7f}";
    let mut record = record(nasty);
    record.who.cwd = Some("/\u{1}é".repeat(4000));
    record.result = "failed: aws_secret_access_key=wJalrXUtnFEMI".into();
    let log = piece(b"", true, vec![record.bounded()]);
    assert_eq!(verify(&log), Ok(Count { records: 1, torn: 0 }));
    assert!(log.len() < LINE as usize && log.iter().filter(|byte| **byte == b'\n').count() == 2);
    let text = String::from_utf8(log.clone()).unwrap();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    assert!(!text.contains("wJalr"));
    assert_eq!(records(&log).next().unwrap().profile.as_deref(), Some(nasty));
}

#[test]
fn a_log_that_cannot_be_written_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let error = append(&dir.path().join("no/audit"), record("dev")).unwrap_err();
    assert!(error.to_string().starts_with("cannot write the audit log"));
}
