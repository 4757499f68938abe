//! `devboot cloud add`.

use serde_json::json;

use super::book::Book;
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::path::display;
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::cli::context::{Context, current_dir};
use crate::cli::{cloud_link, view};
use crate::cloud::aws::profile::resolve;
use crate::cloud::desk::{AWS_SEALED, AZURE_SEALED, GCP_SEALED, MFA_SEEDS};
use crate::cloud::gcp::{config as gcloud, credential};
use crate::cloud::intake::{self, Intake, Named, principal};
use crate::cloud::profiles::{
    AwsPart, AzurePart, CredentialProfile, GcpPart, Guard, Via, check_name, check_values, is_project,
};
use crate::ipc::cloud::{CloudRequest, Forget, Hidden, Seal};
use crate::sys::clock;
use crate::sys::system::ReadSystem;
use crate::ui::prompt;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud add dev                             asks for AWS keys, which are not shown\n  \
                  devboot cloud add dev --aws-profile work          a profile of ~/.aws/config: role, SSO, anything\n  \
                  devboot cloud add dev --stdin < keys.json         credential_process's JSON, NAME=VALUE lines, a Google key file\n  \
                  devboot cloud add prod --aws-profile p --account 123456789012 --guard prod\n  \
                  devboot cloud add dev --gcp-configuration dev     a part more for a profile that is there\n  \
                  devboot cloud add dev --mfa arn:aws:iam::1:mfa/me --stdin < seed\n\n\
                  Secrets never come on the command line, where everyone can read them. What is added to a profile that is there joins it."
)]
pub struct Args {
    /// The profile
    name: String,
    /// Take its secret from standard input
    #[arg(long)]
    stdin: bool,
    /// A profile of AWS's own files
    #[arg(long, value_name = "PROFILE", help_heading = "AWS")]
    aws_profile: Option<String>,
    /// The identity that the shell has from its host
    #[arg(long, conflicts_with = "aws_profile", help_heading = "AWS")]
    aws_host: bool,
    /// The region
    #[arg(long, help_heading = "AWS")]
    region: Option<String>,
    /// The account that it must be
    #[arg(long, help_heading = "AWS")]
    account: Option<String>,
    /// Seal the seed of this MFA device, so that codes are made for you
    #[arg(long, value_name = "DEVICE", help_heading = "AWS")]
    mfa: Option<String>,
    /// A configuration of gcloud
    #[arg(long, value_name = "NAME", help_heading = "GCP")]
    gcp_configuration: Option<String>,
    /// A credential file of Google's
    #[arg(long, value_name = "FILE", help_heading = "GCP")]
    gcp_file: Option<String>,
    /// The identity of the machine
    #[arg(long, conflicts_with_all = ["gcp_configuration", "gcp_file"], help_heading = "GCP")]
    gcp_host: bool,
    /// The service account to act as
    #[arg(long, value_name = "EMAIL", help_heading = "GCP")]
    impersonate: Option<String>,
    /// The project; the account must be one of it
    #[arg(long, help_heading = "GCP")]
    project: Option<String>,
    /// The account's own project, where it is another one
    #[arg(long, value_name = "PROJECT", help_heading = "GCP")]
    account_project: Option<String>,
    /// The identity of the machine
    #[arg(long, help_heading = "Azure")]
    azure_host: bool,
    /// The tenant
    #[arg(long, help_heading = "Azure")]
    tenant: Option<String>,
    /// The service principal; with --azure-host, which of the machine's identities
    #[arg(long, value_name = "CLIENT-ID", help_heading = "Azure")]
    client: Option<String>,
    /// The server for signing in, for clouds other than the public one
    #[arg(long, value_name = "URL", help_heading = "Azure")]
    authority: Option<String>,
    /// The subscription
    #[arg(long, help_heading = "Azure")]
    subscription: Option<String>,
    /// prod: a person confirms it at a terminal, for an hour at a time, and the prompt is red
    #[arg(long, value_parser = ["prod"])]
    guard: Option<String>,
    /// For how many minutes a guarded profile stays open
    #[arg(long, requires = "guard", value_parser = clap::value_parser!(u32).range(1..=720))]
    minutes: Option<u32>,
    /// How tools get the credentials
    #[arg(long, value_parser = ["pointer", "endpoint", "value"])]
    via: Option<String>,
}

/// Makes a profile, or adds to one.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    check_name(&args.name)?;
    context.own_home()?;
    if let Some(device) = &args.mfa {
        return seed(context, args, device);
    }
    // What cannot work is said before a person types a secret.
    let mut wanted = CredentialProfile::default();
    apply(args, &Intake::default(), &mut wanted);
    let file = wanted.gcp.as_ref().and_then(|part| part.file.clone());
    check_values(&wanted)?;
    let file = file.map(|file| credential_file(context, &file)).transpose()?;
    let intake = if amends(context, args)? { Intake::default() } else { taken_in(args)? };
    apply(args, &intake, &mut wanted);
    check_values(&wanted)?;
    let seals = seals(&args.name, args, &intake)?;
    let (book, mut all) = Book::open(context)?;
    let mut profile = all.get(&args.name).cloned().unwrap_or_default();
    apply(args, &intake, &mut profile);
    let mut file_home = None;
    if let (Some((file, home)), Some(part)) = (file, &mut profile.gcp) {
        (part.file, file_home) = (Some(file), home);
    }
    let elsewhere = profile.gcp.as_mut().and_then(|part| record_home(args, &intake, file_home, part));
    if profile.providers().is_empty() {
        return Err(Fault::new(ErrorKind::Usage, "the profile would have no part for any cloud"));
    }
    all.insert(args.name.clone(), profile);
    book.save(context, &all, seals)?;
    drop(book);
    cloud_link::vault(context, CloudRequest::Forget(Forget { profile: Some(args.name.clone()) }))?;
    // It may come later, with the next `aws configure` or `gcloud config`.
    for missing in missing(context, args)? {
        context.printer.warn(&format!("'{}' cannot be used yet: {missing}", args.name));
    }
    if context.global.json {
        context
            .printer
            .json(&json!({ "schema": view::SCHEMA, "name": args.name, "profile": all[&args.name] }))?;
    } else {
        if let Some(home) = elsewhere {
            context.printer.say(&format!(
                "its account is one of the project {home}, which is recorded as account-project"
            ));
        }
        context.printer.say(&format!("'{0}' is there: devboot use {0}", args.name));
    }
    Ok(Exit::Done)
}

/// A credential file as it stands in the profile: found from everywhere, whatever directory the service is in. And the project
/// in which its account lives.
fn credential_file(context: &Context, file: &str) -> Result<(String, Option<String>), Fault> {
    let path = match file.strip_prefix("~/") {
        Some(below) => context.dirs.home.join(below),
        None => current_dir()?.join(file).components().collect(),
    };
    let read = context.system.read(&path, super::LONGEST).map_err(|error| {
        let shown = display(&path, &context.dirs.home);
        Fault::new(ErrorKind::Usage, format!("cannot read the credential file {shown}")).cause(error)
    });
    let home = home_of(&Secret::new(read?));
    match path.to_str() {
        Some(_) if file.starts_with("~/") => Ok((file.to_owned(), home)),
        Some(path) => Ok((path.to_owned(), home)),
        None => Err(Fault::new(ErrorKind::Usage, "the path of the credential file is not UTF-8 text")),
    }
}

/// The project in which the account of Google's credentials lives.
fn home_of(credentials: &Secret<Vec<u8>>) -> Option<String> {
    credential::parse(credentials.expose()).ok()?.home()
}

/// Who gives both an account and another project than its own means it so, and the profile says so. The account's project, when
/// that is the case.
fn record_home(
    args: &Args,
    intake: &Intake,
    file_home: Option<String>,
    part: &mut GcpPart,
) -> Option<String> {
    let key = || intake.gcp.as_ref().map(|key| Secret::new(key.expose().as_bytes().to_vec()));
    let home = match (&args.impersonate, &part.impersonate) {
        (Some(target), _) => credential::project_of(target),
        // That of whom it acts as stays as it is.
        (None, Some(_)) => None,
        (None, None) => key().and_then(|key| home_of(&key)).or(file_home),
    };
    let (Some(home), Some(project)) = (home, args.project.as_ref().or(intake.project.as_ref())) else {
        return None;
    };
    if args.account_project.is_some() || !is_project(&home) {
        return None;
    }
    part.account_project = (home != *project).then_some(home);
    part.account_project.clone()
}

/// What the flags name in other tools' files and what is not there, a sentence each.
fn missing(context: &Context, args: &Args) -> Result<Vec<String>, Fault> {
    let mut missing = Vec::new();
    if let Some(name) = &args.aws_profile {
        let (files, status) = super::sealed_aws_files(context)?;
        if let Err(error) = resolve(&files, name) {
            let locked = status.exists && !status.open;
            let note = if locked { "; its keys may be in the vault, which is locked" } else { "" };
            missing.push(format!("{}{note}", Fault::from(error).one_line()));
        }
    }
    if let Some(name) = &args.gcp_configuration {
        let dir = gcloud::dir(&|_| None, &context.dirs.home);
        let read = gcloud::read(&context.system, &dir, &|_| None);
        if !read.is_ok_and(|found| found.is_some_and(|found| found.configurations.contains_key(name))) {
            missing.push(format!("gcloud has no configuration '{}'", printable(name)));
        }
    }
    Ok(missing)
}

/// Whether a flag says where credentials come from, so that no key is asked for.
fn names_a_source(args: &Args) -> bool {
    args.aws_profile.is_some()
        || args.aws_host
        || args.gcp_configuration.is_some()
        || args.gcp_file.is_some()
        || args.gcp_host
        || args.azure_host
}

/// Whether a flag says something more of credentials of Google's that are there, so that no key is asked for.
fn amends(context: &Context, args: &Args) -> Result<bool, Fault> {
    let says_more = args.project.is_some() || args.account_project.is_some() || args.impersonate.is_some();
    let has_part = || {
        let there = cloud_link::profiles(context)?;
        Ok::<_, Fault>(there.get(&args.name).is_some_and(|profile| profile.gcp.is_some()))
    };
    Ok(!args.stdin && args.client.is_none() && says_more && has_part()?)
}

fn taken_in(args: &Args) -> Result<Intake, Fault> {
    if args.stdin {
        let text = Secret::new(super::stdin()?);
        let named = Named { tenant: args.tenant.as_deref(), client: args.client.as_deref() };
        return Ok(intake::read(text.expose(), named, clock::now())?);
    }
    if let Some(client) = args.client.as_ref().filter(|_| !args.azure_host) {
        let Some(tenant) = &args.tenant else {
            return Err(Fault::new(ErrorKind::Usage, "a service principal needs its --tenant"));
        };
        let secret = prompt::secret(&format!("Secret of the service principal {client}"), "--stdin")?;
        let (tenant, client) = (Some(tenant.clone()), Some(client.clone()));
        return Ok(Intake { azure: Some(secret), tenant, client, ..Intake::default() });
    }
    if names_a_source(args) || args.guard.is_some() || args.via.is_some() {
        return Ok(Intake::default());
    }
    let id = prompt::line("AWS access key id", "", "--aws-profile PROFILE, or --stdin")?;
    let secret = prompt::secret("AWS secret access key", "--stdin")?;
    let region = match &args.region {
        Some(region) => region.clone(),
        None => prompt::line("Region", "us-east-1", "--region")?,
    };
    let text = Secret::new(format!(
        "AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={}\nAWS_REGION={region}\n",
        secret.expose()
    ));
    Ok(intake::read(text.expose(), Named::default(), clock::now())?)
}

fn seals(name: &str, args: &Args, intake: &Intake) -> Result<Vec<Seal>, Fault> {
    let mut seals = Vec::new();
    let mut add = |prefix: &str, name: &str, secret: &Secret<String>| {
        seals.push(Seal { name: format!("{prefix}{name}"), secret: Hidden::new(secret.expose().as_str()) });
    };
    if let Some(keys) = &intake.aws {
        add(AWS_SEALED, args.aws_profile.as_deref().unwrap_or(name), keys);
    }
    if let Some(key) = &intake.gcp {
        add(GCP_SEALED, name, key);
    }
    if let (Some(secret), Some(tenant), Some(client)) = (&intake.azure, &intake.tenant, &intake.client) {
        add(AZURE_SEALED, name, &principal(tenant, client, secret));
    }
    Ok(seals)
}

fn apply(args: &Args, intake: &Intake, profile: &mut CredentialProfile) {
    let name = &args.name;
    if args.aws_profile.is_some()
        || args.aws_host
        || intake.aws.is_some()
        || args.account.is_some()
        || args.region.is_some()
    {
        let part = profile.aws.get_or_insert_with(AwsPart::default);
        if args.aws_host {
            part.profile = None;
        }
        if args.aws_profile.is_some() || intake.aws.is_some() {
            part.profile = Some(args.aws_profile.clone().unwrap_or_else(|| name.clone()));
        }
        part.region = args.region.clone().or(intake.region.clone()).or(part.region.take());
        part.account = args.account.clone().or(part.account.take());
    }
    let gcp =
        [&args.gcp_configuration, &args.gcp_file, &args.impersonate, &args.project, &args.account_project];
    if gcp.iter().any(|flag| flag.is_some()) || args.gcp_host || intake.gcp.is_some() {
        let part = profile.gcp.get_or_insert_with(GcpPart::default);
        if args.gcp_host {
            (part.sealed, part.file, part.configuration, part.impersonate) = (None, None, None, None);
        }
        if intake.gcp.is_some() {
            part.sealed = Some(name.clone());
        }
        part.configuration = args.gcp_configuration.clone().or(part.configuration.take());
        part.file = args.gcp_file.clone().or(part.file.take());
        part.impersonate = args.impersonate.clone().or(part.impersonate.take());
        part.project = args.project.clone().or(intake.project.clone()).or(part.project.take());
        part.account_project = args.account_project.clone().or(part.account_project.take());
    }
    let azure = [&args.tenant, &args.client, &args.subscription, &args.authority];
    if azure.iter().any(|flag| flag.is_some()) || args.azure_host || intake.azure.is_some() {
        let part = profile.azure.get_or_insert_with(AzurePart::default);
        if args.azure_host {
            (part.sealed, part.client) = (None, None);
        }
        if intake.azure.is_some() {
            part.sealed = Some(name.clone());
        }
        part.authority = args.authority.clone().or(part.authority.take());
        part.tenant = args.tenant.clone().or(intake.tenant.clone()).or(part.tenant.take());
        part.client = args.client.clone().or(intake.client.clone()).or(part.client.take());
        part.subscription =
            args.subscription.clone().or(intake.subscription.clone()).or(part.subscription.take());
    }
    if args.guard.is_some() {
        profile.guard = Some(Guard::Prod);
    }
    profile.minutes = args.minutes.or(profile.minutes);
    profile.via = match args.via.as_deref() {
        Some("endpoint") => Some(Via::Endpoint),
        Some("value") => Some(Via::Value),
        Some(_) => None,
        None => profile.via,
    };
}

/// Seals the seed of an MFA device.
fn seed(context: &Context, args: &Args, device: &str) -> Result<Exit, Fault> {
    // AWS's own rule for the serial number of a device.
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=/:,.@-".contains(c);
    if !(1..=256).contains(&device.len()) || !device.chars().all(fits) {
        let words = format!("'{}' is no MFA device", printable(device));
        return Err(Fault::new(ErrorKind::Usage, words)
            .hint("it is an ARN such as arn:aws:iam::1:mfa/me, or a serial number"));
    }
    let seed = if args.stdin {
        Secret::new(super::stdin()?.trim().to_owned())
    } else {
        prompt::secret(&format!("Seed of {device} (base32, or an otpauth:// address)"), "--stdin")?
    };
    let seal = Seal { name: format!("{MFA_SEEDS}{device}"), secret: Hidden::new(seed.expose().as_str()) };
    cloud_link::vault(context, CloudRequest::Seal(seal))?;
    context.printer.say(&format!("codes of {} are made from now on", printable(device)));
    Ok(Exit::Done)
}
