//! `devboot cloud login`.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{check, show::known};
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::cli::command::use_profile::switch_json;
use crate::cli::context::Context;
use crate::cli::{cloud_link, view};
use crate::cloud::aws::call::Waiting;
use crate::cloud::aws::endpoint::{Service, endpoint};
use crate::cloud::aws::profile::{Profile, Source, SsoSource, resolve};
use crate::cloud::aws::sso::cache::{self, CachedToken};
use crate::cloud::aws::sso::client::Sso;
use crate::cloud::profiles::{AwsPart, CredentialProfile};
use crate::ipc::cloud::{CloudRequest, Forget, Switch};
use crate::sys::browser::Browser;
use crate::sys::{clock, env, signal};
use crate::ui::Style;
use crate::ui::progress::Progress;

/// How long a person has to sign in with a browser.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// How long the browser has to come for the address.
const BROWSER: Duration = Duration::from_secs(60);

/// How often a wait looks whether the person wants to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud login dev              in the browser of this machine, or by a code where there is none\n  \
                  devboot cloud login dev --device     by a code that any browser takes\n\n\
                  It signs in to IAM Identity Center, for AWS's own tools too: they share the token in ~/.aws/sso/cache. Compare the code \
                  with the one that the page shows, and confirm none that you did not ask for."
)]
pub struct Args {
    /// The profile
    name: String,
    /// In a browser on this machine
    #[arg(long, conflicts_with = "device")]
    browser: bool,
    /// By a code that is typed into any browser
    #[arg(long)]
    device: bool,
}

/// Signs a person in, and proves who a profile is by it.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    context.own_home()?;
    let profiles = cloud_link::profiles(context)?;
    let profile = known(&profiles, &args.name)?;
    let Some(part) = &profile.aws else {
        let fault =
            Fault::new(ErrorKind::Usage, format!("'{}' has no part that devboot signs in to", args.name));
        return Err(elsewhere(profile).into_iter().fold(fault, Fault::hint));
    };
    let (sso, source) = target(context, &args.name, part)?;
    let browser = super::browser(context)?;
    let by_browser = args.browser || (!args.device && browser.is_some());
    let signed = if by_browser {
        with_browser(context, &sso, &source, browser)
    } else {
        with_code(context, &sso, &source)
    };
    if signal::interrupted() {
        return Err(Fault::new(ErrorKind::Interrupted, "interrupted; nobody was signed in"));
    }
    let token = signed?;
    keep(context, &source, &token)?;
    // A lease of before may be that of somebody else.
    cloud_link::vault(context, CloudRequest::Forget(Forget { profile: Some(args.name.clone()) }))?;
    report(context, &args.name, profile, &source, &token)
}

/// Which tool signs in to the parts that are not ours.
fn elsewhere(profile: &CredentialProfile) -> Vec<String> {
    let gcp = profile.gcp.as_ref().map(|part| match (&part.configuration, part.sealed.is_some() || part.file.is_some()) {
        (_, true) => "its GCP part has a key of its own, and nobody signs in to it".to_owned(),
        (Some(name), false) => format!(
            "its GCP part: gcloud auth login --configuration={0}, and gcloud auth application-default login",
            printable(name)
        ),
        (None, false) => "its GCP part is the machine's own identity; for your own: gcloud auth login".to_owned(),
    });
    let azure = profile.azure.as_ref().map(|part| match part.sealed.is_some() {
        true => "its Azure part is a service principal, and nobody signs in to it".to_owned(),
        false => "its Azure part is the machine's own identity; for your own: az login".to_owned(),
    });
    [gcp, azure].into_iter().flatten().collect()
}

/// The portal behind a profile's AWS part.
fn target(context: &Context, name: &str, part: &AwsPart) -> Result<(Sso, SsoSource), Fault> {
    let no_sso = |what: &str| {
        let words = format!("nobody signs in to '{name}': its AWS part is {what}");
        Fault::new(ErrorKind::Usage, words).hint(format!("devboot cloud check {name} tells whether it works"))
    };
    let Some(aws_name) = &part.profile else { return Err(no_sso("the identity that the host gives")) };
    let (files, status) = super::sealed_aws_files(context)?;
    let resolved = resolve(&files, aws_name).map_err(|error| {
        let fault = Fault::from(error);
        if status.exists && !status.open {
            fault.hint("its keys may be in the vault, which is locked")
        } else {
            fault
        }
    })?;
    let Some(source) = resolved.source.sso() else { return Err(no_sso(&without_sso(&resolved))) };
    let server = |service| endpoint(service, &source.region, &env::var, &files, &resolved.name);
    let (oidc, portal) = (server(Service::SsoOidc)?, server(Service::Sso)?);
    Ok((Sso { oidc, portal, waiting: Waiting::default(), clock: clock::now }, source.clone()))
}

/// What a profile is that has no sign-in.
fn without_sso(profile: &Profile) -> String {
    match first(&profile.source) {
        Source::Static(_) => "made of access keys".to_owned(),
        Source::Program(_) => "what a program prints (credential_process), which signs in itself".to_owned(),
        Source::Login(_) => {
            format!("a session of 'aws login': aws login --profile '{}'", printable(&profile.name))
        }
        Source::WebIdentity(_) => "a role by the token of another identity provider".to_owned(),
        _ => "the identity that the host gives".to_owned(),
    }
}

/// What a chain of roles begins with.
fn first(source: &Source) -> &Source {
    match source {
        Source::Role(_, from) => first(from),
        other => other,
    }
}

fn progress(context: &Context) -> Progress {
    let progress = Progress::new(!context.global.quiet && !context.global.json);
    progress.working("sign-in", "waiting for you; Ctrl-C gives it up");
    progress
}

fn with_code(context: &Context, sso: &Sso, source: &SsoSource) -> Result<CachedToken, Fault> {
    let (client, flow) = sso.start_device(source)?;
    let code = context.printer.paint(Style::Heading, &printable(&flow.user_code));
    context.printer.line(&format!("open {}", printable(&flow.page_with_code)));
    context.printer.line(&format!("and confirm the code {code}, if the page shows the same"));
    let progress = progress(context);
    let pause = |time: Duration| {
        let ends = Instant::now() + time;
        while Instant::now() < ends && !signal::interrupted() {
            std::thread::sleep(GLANCE.min(ends.saturating_duration_since(Instant::now())));
        }
        !signal::interrupted()
    };
    let signed = sso.confirmed(source, client, flow, pause);
    progress.finish("sign-in");
    Ok(signed?)
}

fn with_browser(
    context: &Context,
    sso: &Sso,
    source: &SsoSource,
    browser: Option<Browser>,
) -> Result<CachedToken, Fault> {
    let progress = progress(context);
    let signed = sso.with_browser(source, Instant::now() + LONGEST, |page| {
        progress.aside(|| {
            context.printer.line("sign in with the browser of this machine; the page is");
            context.printer.line(&printable(page.expose()));
        });
        let page = page.clone();
        // The person can open the page by hand, so a browser that does not come is not waited for.
        if let Some(browser) = browser {
            std::thread::spawn(move || drop(browser.show(&page, BROWSER)));
        }
    });
    progress.finish("sign-in");
    Ok(signed?)
}

/// Puts the token where AWS's own tools find it.
fn keep(context: &Context, source: &SsoSource, token: &CachedToken) -> Result<(), Fault> {
    let dir = context.dirs.home.join(".aws/sso/cache");
    cache::write(&context.system, &dir, source, token).map_err(|error| {
        let words = format!("signed in, but the token cannot be kept in {}", dir.display());
        Fault::new(ErrorKind::Failed, words).cause(error)
    })
}

fn report(
    context: &Context,
    name: &str,
    profile: &CredentialProfile,
    source: &SsoSource,
    token: &CachedToken,
) -> Result<Exit, Fault> {
    let session = printable(source.session.as_ref().unwrap_or(&source.start_url));
    let until = token.token.expires;
    context.printer.say(&format!("signed in to {session} until {}", until.local_minute()));
    elsewhere(profile).iter().for_each(|words| context.printer.say(words));
    let proof = match check::proof(context, name) {
        Err(fault) if fault.kind == ErrorKind::Refused && profile.guard.is_some() => {
            context.printer.say(&format!("{}; who it is was not asked", fault.one_line()));
            None
        }
        proof => Some(proof?),
    };
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA, "name": name, "session": session, "until": until.to_string(),
            "proof": proof.as_ref().map(|taken: &Switch| switch_json(name, taken)),
        }))?;
    } else if let Some(taken) = &proof {
        check::show(context, taken)?;
    }
    Ok(proof.as_ref().map_or(Exit::Done, check::exit))
}
