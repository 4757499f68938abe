//! The host's own credentials: variables of the shell, and the endpoint that they name.

use std::path::Path;

use super::{Means, ObtainError, TOKEN, instance};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::cloud::aws::call::{CallError, Outgoing, exchange, unreadable};
use crate::cloud::aws::container;
use crate::cloud::aws::endpoint::address;
use crate::cloud::aws::lease::AwsLease;
use crate::cloud::aws::profile::HostSource;
use crate::cloud::aws::sigv4::Keys;
use crate::sys::http::Method;

/// Where a relative address of the container endpoint leads, by AWS's word.
const ECS: &str = "http://169.254.170.2";

/// The hosts that are asked without TLS: this machine, ECS and EKS.
const PLAIN: [&str; 6] =
    ["127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

pub(super) fn obtain(host: HostSource, means: &Means<'_>) -> Result<AwsLease, ObtainError> {
    match host {
        HostSource::Environment => environment(means),
        HostSource::EcsContainer => endpoint(means),
        HostSource::Ec2InstanceMetadata => instance::obtain(means),
    }
}

fn environment(means: &Means<'_>) -> Result<AwsLease, ObtainError> {
    let var = |name: &str| (means.var)(name).filter(|value| !value.is_empty());
    let (Some(access_key_id), Some(secret)) = (var("AWS_ACCESS_KEY_ID"), var("AWS_SECRET_ACCESS_KEY")) else {
        return Err(ObtainError::Host("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"));
    };
    let expiration = var("AWS_CREDENTIAL_EXPIRATION").map(|end| Timestamp::parse(&end)).transpose();
    Ok(AwsLease {
        keys: Keys {
            access_key_id,
            secret_access_key: Secret::new(secret),
            session_token: var("AWS_SESSION_TOKEN").map(Secret::new),
        },
        account: var("AWS_ACCOUNT_ID"),
        obtained: (means.clock)(),
        expiration: expiration.map_err(|_| ObtainError::Host("AWS_CREDENTIAL_EXPIRATION is no time"))?,
    })
}

fn endpoint(means: &Means<'_>) -> Result<AwsLease, ObtainError> {
    let var = |name: &str| (means.var)(name).filter(|value| !value.is_empty());
    let relative = var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{ECS}{path}"));
    let url = relative.or_else(|| var("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    let url = url.ok_or(ObtainError::Host("no variable names a container endpoint"))?;
    let (place, query) =
        url.split_once('?').map_or((url.as_str(), None), |(place, query)| (place, Some(query)));
    let server = address(place, "").ok_or(ObtainError::Host("the container endpoint's address is none"))?;
    let name = server
        .host
        .rsplit_once(':')
        .filter(|(_, port)| !port.contains(']'))
        .map_or(server.host.as_str(), |it| it.0);
    if server.scheme == "http" && !PLAIN.contains(&name) {
        return Err(ObtainError::Host("the container endpoint is on another machine and without TLS"));
    }
    let token = match var("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => {
            let unreadable = |error| ObtainError::TokenFile(path.clone().into(), error);
            let bytes = means.system.read(Path::new(&path), TOKEN).map_err(unreadable)?;
            Some(String::from_utf8(bytes).unwrap_or_default())
        }
        None => var("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    if token.as_ref().is_some_and(|token| token.chars().any(char::is_control)) {
        return Err(ObtainError::Host(
            "the container endpoint's token has a line end or a control character",
        ));
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let outgoing = Outgoing {
        host: server.host.clone(),
        url: server.url(&query),
        method: Method::Get,
        accept: "application/json",
        headers: token.map(|token| ("authorization", token)).into_iter().collect(),
    };
    let answer = exchange(outgoing, means.waiting, means.clock).map_err(CallError::from)?;
    let lease = container::read(answer.body.expose(), (means.clock)()).filter(|_| answer.status == 200);
    Ok(lease.ok_or_else(|| unreadable(&answer))?)
}
