//! What is printed in place of being done.

use super::Run;
use crate::error::{Error, Result};
use crate::manifest::azure::{AzureRights, RoleTarget, setup_bicep};
use crate::model::entra::Mode;
use crate::model::entra::facts::{AppKind, EntraFacts};
use crate::model::quote::shell_word;
use crate::model::{AzureRole, Unavailable, WorkloadRef, known};
use crate::plan::entra::{SetupPlan, refusal};
use crate::report::entra::{ScriptCluster, ScriptTarget, az_script, left_out, undo_script};

impl Run<'_> {
    /// What is not there yet, as a script.
    pub(super) fn print_script(&self, facts: &EntraFacts, plan: &SetupPlan) -> Result<u8> {
        if let Some(error) = refusal(&plan.steps) {
            return Err(error);
        }
        let app = known(&facts.app);
        let next = self.next_command(plan);
        let target = ScriptTarget {
            next: &next,
            gateway: &facts.gateway,
            graph: &self.azure.graph.origin(),
            client_id: facts.client_id(),
            identity: app.and_then(|app| match &app.kind {
                AppKind::Identity(id, _) => Some(id),
                AppKind::Application(_) => None,
            }),
            namespace: &self.cluster.namespace,
            cluster: self.script_cluster(),
            has_secret: matches!(facts.cluster.secret, Ok(Some(_))),
            now: self.now(),
        };
        let output = &self.context.output;
        output.data(&az_script(&target, plan))?;
        for line in left_out(plan) {
            output.warning(&line);
        }
        Ok(0)
    }

    fn script_cluster(&self) -> ScriptCluster<'_> {
        ScriptCluster {
            origin: &self.cluster.origin,
            server: &self.cluster.server,
            context: self.cluster.context.as_deref(),
        }
    }

    /// The command that goes on once others have made the app, up to the client id.
    fn next_command(&self, plan: &SetupPlan) -> String {
        let gateway = self.gateway;
        let request = &self.settings.request;
        let mut words = vec!["kubectl apim entra setup".to_owned()];
        words.extend(self.target.workload.as_ref().map(WorkloadRef::short));
        let (account, secret) = match plan.mode {
            Mode::WorkloadIdentity => (Some(&plan.service_account), None),
            _ => (None, Some(&plan.secret)),
        };
        let flags = [
            ("-n", Some(&self.cluster.namespace)),
            ("-s", Some(&gateway.service.subscription)),
            ("-r", Some(&gateway.service.resource_group)),
            ("-a", Some(&gateway.service.name)),
            ("-g", Some(&gateway.name)),
            ("--service-account", account),
            ("--secret", secret),
            ("--token-audience", request.token_audience.as_ref()),
            ("--federation-audience", request.federation_audience.as_ref()),
        ];
        let given = flags.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
        words.extend(given.map(|(flag, value)| format!("{flag} {}", shell_word(value))));
        words.push(format!("--mode {} --app", plan.mode.as_str()));
        words.join(" ")
    }

    /// What removes this set-up, if what there is can be read.
    pub(super) fn print_undo(&self, facts: &EntraFacts) -> Result<u8> {
        let unread = |what: &str, why: &Unavailable| {
            Error::refused(format!(
                "what is to be removed is not known: {what}: {}",
                why.why()
            ))
            .hint("run the same command as somebody who may read apps in Entra and role assignments in Azure")
        };
        facts.app.as_ref().map_err(|why| unread("the app", why))?;
        for role in [&facts.reader, &facts.validator] {
            role.assignments
                .as_ref()
                .map_err(|why| unread("role assignments", why))?;
        }
        self.context.output.data(&undo_script(
            facts,
            &self.settings.request,
            &self.script_cluster(),
        ))?;
        Ok(0)
    }

    /// The roles and their assignments, and what trusts the cluster's tokens if the
    /// gateway uses a managed identity.
    pub(super) fn print_bicep(&self, facts: &EntraFacts, plan: &SetupPlan) -> Result<u8> {
        if let Some(error) = refusal(&plan.steps) {
            return Err(error);
        }
        let unknown = |what: &str| {
            Error::refused(format!(
                "{what} does not exist yet, so Bicep cannot assign a role to it"
            ))
            .hint("create it first, with --print-az or without --print-bicep")
        };
        let app = known(&facts.app);
        let instance = facts.instance.as_ref().ok().and_then(|it| it.identity.principal);
        let instance = instance.ok_or_else(|| unknown("the system-assigned identity of the instance"))?;
        let principal = app.and_then(|app| app.service_principal.as_ref().ok()?.as_ref());
        let principal = principal
            .ok_or_else(|| unknown("the service principal of the app"))?
            .id;
        let service = &self.gateway.service;
        let rights = [
            (AzureRole::ConfigValidator, instance),
            (AzureRole::ConfigReader, principal),
        ]
        .into_iter()
        .filter_map(|(role, principal)| Some((role, principal, plan.definition_to_assign(role)?)))
        .map(|(role, principal, definition)| AzureRights {
            role,
            target: RoleTarget {
                subscription: service.subscription.clone(),
                resource_group: service.resource_group.clone(),
                service: Some(service.name.clone()),
                gateways: Vec::new(),
            },
            principal: Some(principal),
            existing: (!plan.creates(role)).then_some(definition),
            for_discovery: false,
        });
        let rights: Vec<AzureRights> = rights.collect();
        let trust = app.and_then(|app| match &app.kind {
            AppKind::Identity(id, _) => plan.federated().map(|credential| (id, credential)),
            AppKind::Application(_) => None,
        });
        let text = setup_bicep(&service.subscription, &rights, trust);
        self.context.output.data(&text)?;
        Ok(0)
    }
}
