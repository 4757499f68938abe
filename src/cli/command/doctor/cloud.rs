//! Whose credentials each cloud's SDKs take in this shell, as checks.

use serde_json::{Value, json};

use crate::base::text::printable;
use crate::cli::context::Context;
use crate::cloud::chain::{self, Chains, NOTHING, look};
use crate::host::checks::{Check, Verdict};
use crate::sys::{clock, env};

/// What wins in this shell.
pub fn chains(context: &Context) -> Chains {
    let vars = env::vars();
    let files = look::look(&context.system, &context.dirs.home, &vars);
    chain::chains(&vars, &files, clock::now())
}

/// A line for each SDK and each trap. None is bad: a shell may be meant to be so, and devboot works in it.
pub fn checks(chains: &Chains) -> Vec<Check> {
    let switched = env::var("DEVBOOT_CLOUD").map(|name| {
        Check::good("cloud profile", format!("this shell is switched to '{}'", printable(&name)))
    });
    let sdks = chains.chains.iter().map(|chain| Check {
        name: chain.sdk.to_owned(),
        verdict: if chain.link.wins == NOTHING { Verdict::Warn } else { Verdict::Good },
        evidence: format!("{}: {}", chain.link.wins, chain.link.why),
        fix: None,
    });
    let traps =
        chains.traps.iter().map(|trap| Check::not("credentials", Verdict::Warn, &trap.what, &trap.next));
    switched.into_iter().chain(sdks).chain(traps).collect()
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
