use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::time::Instant;

use super::client::https_url;
use crate::azure::transport::error::Error;
use crate::azure::transport::error::Flaw;
use crate::azure::transport::exchange::Call;
use crate::azure::transport::odata::query;
use crate::azure::transport::wire;
use crate::model::Cloud;
use crate::retry::retrying;

/// The versions of the metadata. Only the first one names Microsoft Graph, and
/// older clouds know only the second.
const VERSIONS: [&str; 2] = ["2022-09-01", "2019-05-01"];

/// Asks the ARM endpoint of an unknown cloud for the cloud's Entra address, for
/// its own audience there, and for Microsoft Graph. The answer is public; no
/// credential is sent.
pub async fn endpoints(http: &Client, arm_url: &str, deadline: Instant) -> Result<Cloud, Error> {
    let arm = https_url(arm_url)?;
    let [version, older] = VERSIONS;
    match read(http, &arm, version, deadline).await {
        Err(error) if matches!(error.status(), Some(400..=499)) && error.status() != Some(429) => {
            tracing::debug!("asking for older metadata: {error}");
            read(http, &arm, older, deadline).await
        }
        outcome => outcome,
    }
}

async fn read(http: &Client, arm: &Url, version: &str, deadline: Instant) -> Result<Cloud, Error> {
    let mut url = arm.clone();
    url.set_path("/metadata/endpoints");
    url.set_query(Some(&query(&[("api-version", version)])));
    let call = Call::get(
        format!("read the endpoints of the cloud at {}", arm.authority()),
        "the cloud's metadata".into(),
        url,
    );
    let timed_out = || Error::Timeout {
        purpose: call.purpose.clone(),
    };
    let attempt = async || {
        let answer = call.send(http, None, |_, _| ()).await?;
        wire::parse::<Metadata>(&answer.headers, &answer.body)
            .map_err(|(came, flaw)| call.malformed(format!("it answered with {came}"), flaw))
    };
    let metadata = retrying(deadline, Error::retry_decision, timed_out, attempt).await?;
    cloud(arm, metadata).map_err(|problem| call.malformed(problem, Flaw::Form))
}

/// ARM answers with a list of clouds or, in older versions, with its own
/// entry alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Metadata {
    List(Vec<Entry>),
    One(Entry),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    resource_manager: Option<String>,
    #[serde(default)]
    authentication: Option<Authentication>,
    #[serde(default)]
    microsoft_graph_resource_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authentication {
    login_endpoint: String,
    #[serde(default)]
    audiences: Vec<String>,
}

fn cloud(arm: &Url, metadata: Metadata) -> Result<Cloud, String> {
    let is_this = |entry: &Entry| {
        let manager = entry.resource_manager.as_deref();
        manager
            .and_then(|manager| Url::parse(manager).ok())
            .is_some_and(|manager| manager.origin() == arm.origin())
    };
    let entry = match metadata {
        Metadata::One(entry) => Some(entry),
        Metadata::List(mut list) if list.len() == 1 => list.pop(),
        Metadata::List(list) => list.into_iter().find(is_this),
    };
    let (authentication, graph) = entry
        .and_then(|entry| Some((entry.authentication?, entry.microsoft_graph_resource_id)))
        .ok_or("its metadata does not name this cloud's authentication")?;
    let login = https_url(&authentication.login_endpoint)
        .map_err(|error| format!("its metadata has no login endpoint: {error}"))?;
    // ARM refuses a token for another audience than its own. Entra expects the
    // audience unchanged, so one that ends in a slash gives "//.default".
    let audiences = &authentication.audiences;
    let audience = audiences
        .iter()
        .find(|audience| Url::parse(audience).is_ok_and(|url| url.origin() == arm.origin()))
        .or(audiences.first())
        .ok_or("its metadata has no audience")?;
    // Only who needs Graph refuses an address that is not https.
    let graph = graph.map(|graph| graph.trim_end_matches('/').to_owned());
    Ok(Cloud {
        authority: login.as_str().trim_end_matches('/').to_owned(),
        resource_manager: arm.as_str().trim_end_matches('/').to_owned(),
        scope: format!("{audience}/.default"),
        graph: graph.filter(|graph| !graph.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Cloud, String> {
        let arm = Url::parse("https://arm.example/").unwrap();
        cloud(&arm, serde_json::from_str(body).unwrap())
    }

    const OWN: &str = r#"{"resourceManager":"https://arm.example","name":"Own","authentication":
        {"loginEndpoint":"https://login.example/","audiences":["https://core.example/","https://arm.example/"]}}"#;
    const OTHER: &str = r#"{"resourceManager":"https://management.azure.com/","authentication":
        {"loginEndpoint":"https://login.microsoftonline.com","audiences":["https://management.azure.com"]}}"#;

    #[test]
    fn a_list_and_a_single_entry_give_the_same_cloud() {
        let expected = Cloud {
            authority: "https://login.example".into(),
            resource_manager: "https://arm.example".into(),
            scope: "https://arm.example//.default".into(),
            graph: None,
        };
        for body in [
            OWN.to_owned(),
            format!("[{OWN}]"),
            format!("[{OTHER},{OWN},{{}}]"),
        ] {
            assert_eq!(parse(&body), Ok(expected.clone()), "{body}");
        }
    }

    #[test]
    fn newer_metadata_names_microsoft_graph() {
        let named = |graph: &str| {
            let field = format!(r#"{{"microsoftGraphResourceId":{graph},"#);
            parse(&OWN.replacen('{', &field, 1)).unwrap().graph
        };
        assert_eq!(
            named(r#""https://graph.example/""#).as_deref(),
            Some("https://graph.example")
        );
        assert_eq!((named("null"), named(r#""""#)), (None, None));
    }

    #[test]
    fn metadata_without_this_cloud_is_an_error() {
        for body in [
            format!("[{OTHER},{OTHER}]"),
            OWN.replace("https://login", "http://login"),
            r#"{"authentication":{"loginEndpoint":"https://l.example"}}"#.to_owned(),
            "[]".to_owned(),
        ] {
            assert!(parse(&body).is_err(), "{body}");
        }
    }
}
