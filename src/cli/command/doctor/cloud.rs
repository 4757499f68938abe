//! Whose credentials each cloud's SDKs take in this shell, as checks.

use serde_json::{Value, json};

use crate::base::text::printable;
use crate::cli::context::Context;
use crate::cloud::chain::switched::{self, Switched};
use crate::cloud::chain::{self, Chains, NOTHING, look};
use crate::host::checks::{Check, Verdict};
use crate::sys::{clock, env};

/// What wins in this shell, and how that is to its switch.
pub fn chains(context: &Context) -> (Chains, Option<Switched>) {
    let vars = env::vars();
    let files = look::look(&context.system, &context.dirs.home, &vars);
    (chain::chains(&vars, &files, clock::now()), switched::switched(&vars, &files))
}

/// A line for each SDK and each trap. None is bad: a shell may be meant to be so, and devboot works in it.
pub fn checks(chains: &Chains, is: Option<&Switched>) -> Vec<Check> {
    let name = printable(&env::var("DEVBOOT_CLOUD").unwrap_or_default());
    let switched = is.into_iter().flat_map(|is| of_switch(&name, is));
    let sdks = chains.chains.iter().map(|chain| Check {
        name: chain.sdk.to_owned(),
        verdict: if chain.link.wins == NOTHING { Verdict::Warn } else { Verdict::Good },
        evidence: format!("{}: {}", chain.link.wins, chain.link.why),
        fix: None,
    });
    let traps =
        chains.traps.iter().map(|trap| Check::not("credentials", Verdict::Warn, &trap.what, &trap.next));
    switched.chain(sdks).chain(traps).collect()
}

fn of_switch(name: &str, is: &Switched) -> Vec<Check> {
    let look = |evidence: String, fix: String| Check::not("cloud profile", Verdict::Warn, evidence, fix);
    match is {
        Switched::InName => {
            let evidence = format!("DEVBOOT_CLOUD names '{name}', and this shell was not switched to it");
            vec![look(evidence, format!("devboot use {name}, or unset DEVBOOT_CLOUD"))]
        }
        Switched::To(between) if between.is_empty() => {
            vec![Check::good("cloud profile", format!("this shell is switched to '{name}'"))]
        }
        Switched::To(between) => {
            let told = between.iter().map(|one| {
                let title = one.provider.title();
                let evidence = format!(
                    "this shell was switched to '{name}', and {title}'s tools need not be it: {}",
                    one.words()
                );
                look(evidence, format!("devboot use {name} makes it right again"))
            });
            told.collect()
        }
    }
}

/// The same as JSON.
pub fn as_json(chains: &Chains) -> Value {
    let sdks = chains
        .chains
        .iter()
        .map(|chain| json!({ "sdk": chain.sdk, "wins": chain.link.wins, "why": chain.link.why }));
    let traps = chains.traps.iter().map(|trap| json!({ "what": trap.what, "next": trap.next }));
    json!({ "chains": sdks.collect::<Vec<_>>(), "traps": traps.collect::<Vec<_>>() })
}
