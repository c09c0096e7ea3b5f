//! The file that `--gateways` reads, as a dry run writes it.

use std::borrow::Cow;

use super::rotation::{OutcomeName, RotationReport, WorkloadLine};
use crate::model::{GatewayId, WorkloadRef, one_line};

/// A line for each workload whose gateway the dry run has looked at and would rotate.
/// Whatever else was found is a comment, so the file never consents to it.
pub(super) fn gateway_list(items: &[RotationReport]) -> String {
    let context = if items.iter().any(|item| item.context.is_some()) {
        "context "
    } else {
        ""
    };
    let lines = items.iter().flat_map(RotationReport::lines_of_list);
    let lines: String = lines.map(|line| line + "\n").collect();
    format!("# {context}namespace workload gateway\n{lines}")
}

impl RotationReport {
    fn lines_of_list(&self) -> Vec<String> {
        match (&self.gateway, self.gateways.as_slice()) {
            (Some(id), gateways @ [_, ..]) if self.outcome == OutcomeName::Planned => {
                gateways.iter().map(|workload| self.entry(workload, id)).collect()
            }
            (_, []) if self.workloads.is_empty() => vec![self.comment(None, &self.why())],
            (_, []) => {
                let users = self.workloads.iter().map(WorkloadLine::reference);
                users
                    .map(|workload| self.comment(Some(&workload), &self.why()))
                    .collect()
            }
            (_, gateways) => gateways
                .iter()
                .map(|workload| self.comment(Some(workload), &self.why()))
                .collect(),
        }
    }

    fn entry(&self, workload: &WorkloadRef, id: &GatewayId) -> String {
        let (workload_word, id) = (workload.short(), id.to_string());
        let context = self.context.as_deref();
        let words: Vec<&str> = context
            .into_iter()
            .chain([self.namespace.as_str(), workload_word.as_str(), id.as_str()])
            .collect();
        if words.iter().all(|word| is_one_word(word)) {
            words.join(" ")
        } else {
            self.comment(
                Some(workload),
                "no line can name it: its context has a space or a # in its name",
            )
        }
    }

    fn comment(&self, workload: Option<&WorkloadRef>, why: &str) -> String {
        let context = self.context.as_deref();
        let place = match workload {
            Some(workload) => {
                let context = context.map(|context| format!("{context}/")).unwrap_or_default();
                format!("{context}{}/{}", self.namespace, workload.short())
            }
            None => match (context, &self.secret) {
                (_, Some(secret)) => format!("{}/secret/{}", self.namespace, secret.name),
                (context, None) => format!("context {}", context.unwrap_or_default()),
            },
        };
        one_line(&format!("# {place}: {why}")).into_owned()
    }

    /// Why nothing is consented to.
    fn why(&self) -> Cow<'_, str> {
        let reason = self.reason.as_deref();
        match (&self.error, self.outcome) {
            (Some(error), _) => error.message.as_str().into(),
            (None, OutcomeName::NotDue) => format!("not due: {}", reason.unwrap_or_default()).into(),
            (None, OutcomeName::Planned) => "no workload runs a gateway with this Secret".into(),
            (None, _) => reason.unwrap_or("it was not looked at").into(),
        }
    }
}

/// Whether a line of the file has this text as one of its words.
fn is_one_word(text: &str) -> bool {
    let is_part = |it: char| !it.is_whitespace() && it != '#';
    !text.is_empty() && text.chars().all(is_part) && matches!(one_line(text), Cow::Borrowed(_))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Error;
    use crate::model::WorkloadKind;
    use crate::settings::GatewayList;

    const ID: &str =
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/svc/gateways/gw";

    fn workload(name: &str) -> WorkloadRef {
        WorkloadRef {
            kind: WorkloadKind::Deployment,
            name: name.to_owned(),
        }
    }

    fn planned(name: &str) -> RotationReport {
        let users = [name, "batch"].map(|user| WorkloadLine::of(&workload(user)));
        RotationReport {
            gateway: Some(GatewayId::parse(ID).unwrap()),
            ..RotationReport::bare("shop", users.into(), OutcomeName::Planned)
        }
        .run_by(vec![workload(name)])
    }

    /// The workloads that a file consents to.
    fn consented(text: &str) -> Vec<(String, WorkloadRef)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let list = GatewayList::read(file.path()).unwrap();
        list.workloads()
            .map(|(namespace, workload)| (namespace.to_owned(), workload.clone()))
            .collect()
    }

    #[test]
    fn only_what_would_be_rotated_is_a_line() {
        let why = Error::refused("the ReadOnly lock `l` lets Azure mint no token");
        let items = [
            planned("gw"),
            planned("two").in_context(Some("eu")),
            planned("three").in_context(Some("my eu")),
            RotationReport::without_secret("shop", &workload("locked"), &why),
            RotationReport::skipped(
                "shop",
                &workload("entra"),
                &Error::refused("it signs in by Entra"),
            ),
            RotationReport::unreachable("us", &Error::failed("no route\nshop deployment/x y")),
            planned("of-others").run_by(Vec::new()),
            RotationReport {
                outcome: OutcomeName::NotDue,
                reason: Some("the token expires in 20 days".to_owned()),
                ..planned("later")
            },
        ];
        let text = gateway_list(&items);
        let expected = format!(
            "\
# context namespace workload gateway
shop deployment/gw {ID}
eu shop deployment/two {ID}
# my eu/shop/deployment/three: no line can name it: its context has a space or a # in its name
# shop/deployment/locked: the ReadOnly lock `l` lets Azure mint no token
# shop/deployment/entra: it signs in by Entra
# context us: no route shop deployment/x y
# shop/deployment/of-others: no workload runs a gateway with this Secret
# shop/deployment/batch: no workload runs a gateway with this Secret
# shop/deployment/later: not due: the token expires in 20 days
"
        );
        assert_eq!(text, expected);
        let names = ["gw", "two"].map(|name| ("shop".to_owned(), workload(name)));
        assert_eq!(consented(&text), names);
    }

    proptest! {
        /// Whatever a gateway, a context or an error is called, the file consents to the
        /// workloads that would be rotated and to no others.
        #[test]
        fn no_name_and_no_message_adds_a_line(
            context in proptest::option::of(".*"),
            gateway in "(.|\n| |#){1,40}",
            message in "(.|\n|shop deployment/other /subscriptions/s){0,4}",
        ) {
            let mut hostile = planned("hostile").in_context(context.as_deref());
            hostile.gateway = hostile.gateway.map(|id| id.service.gateway(gateway));
            let failed = RotationReport::without_secret("shop", &workload("failed"), &Error::failed(message));
            let text = gateway_list(&[planned("gw"), hostile, failed]);
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &text).unwrap();
            // A name that Azure does not allow makes the file one that is refused.
            if let Ok(list) = GatewayList::read(file.path()) {
                for (namespace, listed) in list.workloads() {
                    prop_assert_eq!(namespace, "shop");
                    prop_assert!([workload("gw"), workload("hostile")].contains(listed), "{}", text);
                }
            }
        }
    }
}
