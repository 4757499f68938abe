//! A resolved profile as text for people.

use std::fmt::Write;

use crate::base::redact;
use crate::base::text::{counted, printable};
use crate::profile::{Content, Profile};

/// What the profile makes of a home, section by section.
pub fn text(profile: &Profile, host: &str) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", printable(&profile.description));
    let _ = writeln!(out, "made of {}, for the host kind {host}", profile.names.join(", "));
    section(
        &mut out,
        "environment",
        profile.environment.iter().map(|(name, value)| redact::line(&format!("{name}={value}"))),
    );
    section(&mut out, "PATH, first", profile.path.prepend.iter().cloned());
    section(&mut out, "PATH, last", profile.path.append.iter().cloned());
    section(&mut out, "aliases", profile.aliases.iter().map(|(name, body)| format!("{name} = {body}")));
    section(&mut out, "functions", profile.functions.keys().cloned());
    for (shell, part) in &profile.shells {
        section(
            &mut out,
            &format!("aliases in {shell}"),
            part.aliases.iter().map(|(name, body)| format!("{name} = {body}")),
        );
        section(&mut out, &format!("functions in {shell}"), part.functions.keys().cloned());
        let lines = |text: &str| counted(text.lines().count(), "line");
        let code = [("early", &part.early), ("late", &part.late)];
        section(
            &mut out,
            &format!("code in {shell}"),
            code.iter()
                .filter(|(_, text)| !text.trim().is_empty())
                .map(|(slot, text)| format!("{slot}: {}", lines(text))),
        );
    }
    section(
        &mut out,
        "files",
        profile.dotfiles.iter().map(|dotfile| {
            let what = match &dotfile.content {
                Content::File { bytes, mode } => format!("file, {} bytes, mode {mode:04o}", bytes.len()),
                Content::Block { text, .. } => format!("block of {}", counted(text.lines().count(), "line")),
                Content::Link { to } => format!("link to {to}"),
            };
            format!("{}: {what}", dotfile.target)
        }),
    );
    let clone = |url: &str, reference: &Option<String>, dir: &dyn std::fmt::Display| {
        let at = reference.as_ref().map_or_else(String::new, |reference| format!(" at {reference}"));
        format!("{}{at} -> {dir}", redact::url(url))
    };
    section(
        &mut out,
        "kits",
        profile
            .kits
            .iter()
            .map(|(name, kit)| format!("{name}: {}", clone(&kit.url, &kit.reference, &kit.dir))),
    );
    section(
        &mut out,
        "repositories",
        profile
            .repos
            .iter()
            .map(|(name, repo)| format!("{name}: {}", clone(&repo.url, &repo.reference, &repo.dir))),
    );
    section(&mut out, "starters", profile.starters.iter().cloned());
    section(&mut out, "credential profiles", profile.credential_profiles.iter().cloned());
    section(&mut out, "service", (!profile.service).then(|| "not wanted".to_owned()).into_iter());
    section(
        &mut out,
        "programs",
        profile
            .tools
            .iter()
            .map(|(name, tool)| format!("{name}{}", if tool.optional { " (optional)" } else { "" })),
    );
    out
}

fn section(out: &mut String, name: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{name}");
    for line in lines {
        let _ = writeln!(out, "  {}", printable(&line));
    }
}
