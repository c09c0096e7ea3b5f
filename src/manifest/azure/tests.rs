use std::collections::BTreeSet;

use super::*;

fn rights(role: AzureRole, gateway: Option<&str>) -> AzureRights {
    AzureRights {
        role,
        target: RoleTarget {
            subscription: "11111111-2222-3333-4444-555555555555".to_owned(),
            resource_group: "rg-apim".to_owned(),
            service: Some("contoso".to_owned()),
            gateways: gateway.map(str::to_owned).into_iter().collect(),
        },
        existing: None,
        principal: Some(Uuid::from_u128(7)),
        for_discovery: false,
    }
}

const ROLES: [AzureRole; 3] = [
    AzureRole::TokenOperator,
    AzureRole::ConfigValidator,
    AzureRole::ConfigReader,
];

#[test]
fn each_role_is_assigned_at_the_narrowest_scope_that_works() {
    let scope = |role, gateway| {
        let rights = rights(role, gateway);
        grants(&rights)[0].assignments()[0].scope()
    };
    let group = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim";
    let service = format!("{group}/providers/Microsoft.ApiManagement/service/contoso");
    assert_eq!(
        scope(AzureRole::TokenOperator, Some("gw")),
        format!("{service}/gateways/gw")
    );
    assert_eq!(scope(AzureRole::TokenOperator, None), service);
    assert_eq!(scope(AzureRole::ConfigReader, Some("gw")), service);
    assert_eq!(scope(AzureRole::ConfigValidator, Some("gw")), group);
}

#[test]
fn discovery_has_its_own_role_and_the_first_stays_at_its_gateway() {
    let rights = AzureRights {
        for_discovery: true,
        ..rights(AzureRole::TokenOperator, Some("gw"))
    };
    let grants = grants(&rights);
    let [operator, finder] = grants.as_slice() else {
        panic!("two roles");
    };
    assert!(operator.assignments()[0].scope().ends_with("/gateways/gw"));
    assert!(finder.assignments()[0].scope().ends_with("/service/contoso"));
    assert_ne!(operator.role_id(), finder.role_id());
}

#[test]
fn ids_ignore_case_and_differ_between_principals() {
    let small = rights(AzureRole::TokenOperator, Some("gw"));
    let mut large = small.clone();
    large.target.resource_group = "RG-APIM".to_owned();
    let (small, large) = (grants(&small), grants(&large));
    let ids = |grant: &Grant<'_>, principal| {
        (
            grant.role_id(),
            grant.assignments()[0].name(Uuid::from_u128(principal)),
        )
    };
    assert_eq!(ids(&small[0], 7), ids(&large[0], 7));
    assert_ne!(ids(&small[0], 7).1, ids(&small[0], 8).1);
}

/// There is no parser of Bicep for Rust, so this checks that brackets match and
/// that each string ends on its line.
#[test]
fn the_brackets_of_bicep_are_balanced() {
    for role in ROLES {
        for (gateway, principal) in [
            (Some("gw"), None),
            (Some("it's ${odd}"), Some(Uuid::from_u128(7))),
        ] {
            let rights = AzureRights {
                principal,
                for_discovery: true,
                ..rights(role, gateway)
            };
            check_bicep(&bicep(&rights));
        }
    }
}

fn check_bicep(text: &str) {
    let mut open = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let mut in_string = false;
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' if in_string => drop(letters.next()),
                '\'' => in_string = !in_string,
                _ if in_string => {}
                '{' => open.push('}'),
                '[' => open.push(']'),
                '(' => open.push(')'),
                '}' | ']' | ')' => assert_eq!(open.pop(), Some(letter), "{line}"),
                _ => {}
            }
        }
        assert!(!in_string, "{line}");
    }
    assert!(open.is_empty(), "{text}");
}

#[test]
fn a_set_up_is_one_file_with_the_federated_credential() {
    let identity = crate::model::ManagedIdentityId {
        subscription: "s".to_owned(),
        resource_group: "it's ${odd}".to_owned(),
        name: "gw".to_owned(),
    };
    let credential = crate::model::directory::FederatedCredential {
        name: "apim-shop-gw".to_owned(),
        issuer: "https://issuer.example/1/".to_owned(),
        subject: "a\nb'".to_owned(),
        audiences: vec!["api://AzureADTokenExchange".to_owned()],
    };
    let both = [AzureRole::ConfigValidator, AzureRole::ConfigReader].map(|role| rights(role, None));
    let text = setup_bicep("s", &both, Some((&identity, &credential)));
    check_bicep(&text);
    assert_eq!(
        text.matches("Microsoft.Authorization/roleDefinitions@").count(),
        2
    );
    assert!(text.contains("name: 'gw/apim-shop-gw'") && text.contains("issuer: 'https://issuer.example/1/'"));
    assert!(text.contains("subject: 'a\\u{a}b\\''"), "{text}");
}

#[test]
fn terraform_parses_and_has_the_expected_values() {
    for role in ROLES {
        for gateway in ["gw", "it's a \"${trap}\" of %{ills}"] {
            let rights = rights(role, Some(gateway));
            let text = terraform(&rights);
            let body = hcl_edit::parser::parse_body(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let kinds: Vec<&str> = body.blocks().map(|block| block.labels[0].as_str()).collect();
            assert_eq!(kinds, ["azurerm_role_definition", "azurerm_role_assignment"]);
            let assignment = body.blocks().nth(1).unwrap();
            let scope = assignment.body.get_attribute("scope").unwrap();
            let grants = grants(&rights);
            assert_eq!(
                scope.value.as_str(),
                Some(grants[0].assignments()[0].scope().as_str())
            );
        }
    }
    let unknown = AzureRights {
        principal: None,
        ..rights(AzureRole::TokenOperator, Some("gw"))
    };
    let text = terraform(&unknown);
    hcl_edit::parser::parse_body(&text).unwrap();
    // Terraform computes the same name once it knows the principal.
    let grants = grants(&unknown);
    let formula = format!(
        "{}|${{lower(var.principal_id)}}|{}",
        grants[0].assignments()[0].scope().to_lowercase(),
        grants[0].role_id()
    );
    assert!(
        text.contains(&format!("uuidv5(\"url\", \"{formula}\")")),
        "{text}"
    );
    let principal = Uuid::from_u128(7);
    let named = formula.replace("${lower(var.principal_id)}", &principal.to_string());
    assert_eq!(
        Uuid::new_v5(&Uuid::NAMESPACE_URL, named.as_bytes()),
        grants[0].assignments()[0].name(principal)
    );
}

#[test]
fn the_name_of_the_inner_deployment_is_short_enough() {
    for role in ROLES {
        let rights = rights(role, Some("gw"));
        for grant in grants(&rights) {
            assert!(template::deployment(&grant).len() <= 64);
        }
    }
}

/// The names of roles are unique in a tenant, and a role of one name has one id.
#[test]
fn each_subscription_has_a_role_of_its_own_name_and_id() {
    let of = |subscription: &str| {
        let mut rights = rights(AzureRole::TokenOperator, Some("gw"));
        rights.target.subscription = subscription.to_owned();
        rights
    };
    let (one, two) = (
        of("11111111-2222-3333-4444-555555555555"),
        of("99999999-2222-3333-4444-555555555555"),
    );
    let (one, two) = (grants(&one), grants(&two));
    assert_ne!(one[0].role_name(), two[0].role_name());
    assert_ne!(one[0].role_id(), two[0].role_id());
    // The role of the documentation has another id, so it must have another name.
    assert_ne!(one[0].role_name(), AzureRole::TokenOperator.definition().name);
}

#[test]
fn several_gateways_share_a_role_and_each_has_an_assignment() {
    for existing in [None, Some(Uuid::from_u128(9))] {
        let mut rights = AzureRights {
            existing,
            ..rights(AzureRole::TokenOperator, Some("gw"))
        };
        rights.target.gateways.push("gw-eu".to_owned());
        let definitions = usize::from(existing.is_none());
        let text = terraform(&rights);
        let body = hcl_edit::parser::parse_body(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let labels: Vec<&str> = body.blocks().map(|block| block.labels[1].as_str()).collect();
        assert_eq!(
            labels[definitions..],
            ["token_operator_gw", "token_operator_gw-eu"]
        );
        let template = template(&rights);
        let resources = template["resources"].as_array().unwrap();
        assert_eq!(resources.len(), definitions + 1);
        let deployment = &resources[definitions];
        assert_eq!(deployment.get("dependsOn").is_some(), existing.is_none());
        let assignments = deployment["properties"]["template"]["resources"]
            .as_array()
            .unwrap();
        assert_eq!(assignments.len(), 2);
        for text in [text, template.to_string(), bicep(&rights), az_cli(&rights)] {
            let is_defined = text.contains("generateToken/action");
            assert_eq!(is_defined, existing.is_none(), "{text}");
            let id = existing.unwrap_or_else(|| grants(&rights)[0].role_id());
            assert!(
                text.contains(&id.to_string()) && text.contains("gateways/gw-eu"),
                "{text}"
            );
        }
    }
}

/// A module has one block of each label, and its state is kept by the label.
#[test]
fn no_two_gateways_have_the_same_label() {
    let long = "x".repeat(80);
    let gateways = [
        "a.b",
        "a_b",
        "a b",
        "a-b",
        "ab",
        "a--b",
        "a.b.",
        "-a",
        "1",
        "\u{fc}",
        "\u{f6}",
        "a/b",
        "a\u{301}b",
        &long,
    ];
    let labels = |order: &[&str]| -> BTreeSet<String> {
        let mut rights = rights(AzureRole::TokenOperator, None);
        rights.for_discovery = true;
        rights.target.gateways = order.iter().map(|gateway| (*gateway).to_owned()).collect();
        let text = terraform(&rights);
        let body = hcl_edit::parser::parse_body(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let of = |block: &hcl_edit::structure::Block| {
            let labels: Vec<&str> = block
                .labels
                .iter()
                .map(hcl_edit::structure::BlockLabel::as_str)
                .collect();
            labels.join(".")
        };
        let labels: Vec<String> = body.blocks().map(of).collect();
        let set: BTreeSet<String> = labels.iter().cloned().collect();
        assert_eq!(set.len(), labels.len(), "{labels:#?}");
        set
    };
    let all = labels(&gateways);
    assert_eq!(all.len(), gateways.len() + 3);
    for label in &all {
        let (_, name) = label.split_once('.').unwrap();
        let mut letters = name.chars();
        assert!(letters.next().unwrap().is_ascii_alphabetic(), "{label}");
        assert!(
            letters.all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter)),
            "{label}"
        );
    }
    // One has the same label alone, beside others and in any order.
    for gateway in gateways {
        assert!(labels(&[gateway]).is_subset(&all), "{gateway}");
    }
    assert!(labels(&["gw-eu"]).contains("azurerm_role_assignment.token_operator_gw-eu"));
}
