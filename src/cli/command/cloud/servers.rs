//! Servers of AWS that a shell names, and that the service does not ask.

use crate::cli::cloud_link;
use crate::cli::context::Context;
use crate::cloud::aws::endpoint::{Service, endpoint};
use crate::sys::env;

/// The variables that name another Security Token Service, the one that counts first in front.
const VARIABLES: [&str; 3] =
    ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"];

/// The region for a server whose own does not matter.
const REGION: &str = "us-east-1";

/// Says so when this shell names another server for AWS than the one that was asked who one is. All shells share what the
/// service gets, so none of them says where it is got: a wrong server would prove anything, to all.
pub fn warn(context: &Context, name: &str) {
    if let Some(variable) = passed_over(context, name) {
        context.printer.warn(&format!(
            "{variable} is for this shell alone, and devboot's service does not ask there who one is; \
             endpoint_url of the profile in ~/.aws/config counts"
        ));
    }
}

fn passed_over(context: &Context, name: &str) -> Option<&'static str> {
    // First what costs nothing: most shells name none.
    let variable = VARIABLES.into_iter().find(|variable| env::var(variable).is_some())?;
    let profile = cloud_link::profiles(context).ok()?.remove(name)?;
    let aws_name = profile.aws?.profile?;
    let files = super::aws_files(context).ok()?;
    let server = |var: &dyn Fn(&str) -> Option<String>| {
        endpoint(Service::Sts, REGION, var, &files, &aws_name).map(|server| server.url("")).ok()
    };
    (server(&|_| None) != server(&env::var)).then_some(variable)
}
