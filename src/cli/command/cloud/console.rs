//! `devboot cloud console`.

use std::time::Duration;

use serde_json::json;

use super::show::known;
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::secret::Secret;
use crate::cli::context::Context;
use crate::cli::{cloud_link, view};
use crate::cloud::aws::call::Waiting;
use crate::cloud::aws::console::{Console, console, sign_in, token_path};
use crate::cloud::aws::credential_process;
use crate::cloud::aws::endpoint::{EndpointError, address};
use crate::cloud::aws::lease::AwsLease;
use crate::cloud::aws::obtain::region;
use crate::cloud::profiles::AwsPart;
use crate::ipc::cloud::{CloudRequest, CloudResponse, OfLease};
use crate::sys::{clock, env, signal, terminal};

/// How long the browser has to come for the address.
const BROWSER: Duration = Duration::from_secs(60);

/// Another server to sign in at.
const SERVER: &str = "AWS_ENDPOINT_URL_SIGNIN";

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud console dev               in the browser of this machine\n  \
                  devboot cloud console dev --to s3       the page of a service\n  \
                  devboot cloud console dev --print       the address, where the browser is elsewhere\n\n\
                  The address signs in whoever has it, for some minutes: give it to nobody. It is printed where there is no browser, and where \
                  standard output is no terminal."
)]
pub struct Args {
    /// The profile
    name: String,
    /// Print the address; open nothing
    #[arg(long)]
    print: bool,
    /// The page: a service, such as s3, or an address of the console
    #[arg(long, value_name = "SERVICE-OR-URL")]
    to: Option<String>,
}

/// Signs a browser in to AWS's console.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let profiles = cloud_link::profiles(context)?;
    let profile = known(&profiles, &args.name)?;
    let Some(part) = &profile.aws else {
        return Err(Fault::new(
            ErrorKind::Usage,
            format!("'{}' has no AWS part, and so no console", args.name),
        ));
    };
    // A page that is none is said before anyone is asked for a code.
    let console = page(context, part, args.to.as_deref())?;
    let lease = lease(context, &args.name)?;
    let path = token_path(&lease, None).ok_or_else(|| {
        let words = format!("'{}' has keys without a session, which the console does not take", args.name);
        Fault::new(ErrorKind::Usage, words)
            .hint("the console opens for a role: add a profile that assumes one, or signs in to one")
    })?;
    let url = sign_in(&console, &path, Waiting::default(), clock::now)?;
    hand_over(context, args, &url)
}

/// The console of the profile's region, at the page that is asked for.
fn page(context: &Context, part: &AwsPart, to: Option<&str>) -> Result<Console, Fault> {
    let files = super::aws_files(context)?;
    let in_files = part.profile.as_ref().and_then(|name| files.profiles.get(name)?.get("region"));
    let region = region(part.region.as_deref().or(in_files), &env::var);
    let mut console = console(&region).ok_or_else(|| {
        Fault::new(
            ErrorKind::Usage,
            format!("no console is known for the region '{}'", crate::base::text::printable(&region)),
        )
    })?;
    if let Some(server) = env::var(SERVER).filter(|server| !server.is_empty()) {
        console.signin = address(&server, &region).ok_or(EndpointError::Address(SERVER, server))?;
    }
    Ok(match to {
        Some(to) => console.showing(to)?,
        None => console,
    })
}

fn lease(context: &Context, name: &str) -> Result<AwsLease, Fault> {
    let answer = cloud_link::ask_with_codes(context, |codes| {
        let (profile, provider) = (name.to_owned(), "aws".to_owned());
        CloudRequest::Lease(OfLease { profile, provider, codes, ..OfLease::default() })
    })?;
    let CloudResponse::Lease(lease) = answer else { return Err(cloud_link::unexpected()) };
    credential_process::read(lease.text.expose().as_bytes(), clock::now())
        .map_err(|why| cloud_link::unexpected().cause(format!("the answer {why}")))
}

fn hand_over(context: &Context, args: &Args, url: &Secret<String>) -> Result<Exit, Fault> {
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "name": args.name, "url": url.expose() }))?;
        return Ok(Exit::Done);
    }
    let wanted = !args.print && terminal::stdout_is_terminal();
    let browser = if wanted { super::browser(context)? } else { None };
    let Some(browser) = browser else {
        context.printer.data(&format!("{}\n", url.expose()))?;
        return Ok(Exit::Done);
    };
    let failed = |why: String| {
        Fault::new(ErrorKind::Failed, "the browser was not opened")
            .cause(why)
            .hint(format!("devboot cloud console {} --print prints the address", args.name))
    };
    context.printer.say("opening the console in the browser");
    match browser.show(url, BROWSER) {
        Ok(true) => Ok(Exit::Done),
        _ if signal::interrupted() => Err(Fault::new(ErrorKind::Interrupted, "interrupted")),
        Ok(false) => Err(failed(format!("it did not come for the address within {} s", BROWSER.as_secs()))),
        Err(error) => Err(failed(error.to_string())),
    }
}
