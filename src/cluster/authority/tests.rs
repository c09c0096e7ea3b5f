use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use super::*;

const SERVER: &str = "api.example.com";

type Der = CertificateDer<'static>;

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2030, 1, 1);
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn ca(params: CertificateParams) -> CertifiedIssuer<'static, KeyPair> {
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn alone(params: &CertificateParams) -> Der {
    params
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .clone()
}

fn issued(params: &CertificateParams, issuer: &CertifiedIssuer<'static, KeyPair>) -> Der {
    params
        .signed_by(&KeyPair::generate().unwrap(), issuer)
        .unwrap()
        .der()
        .clone()
}

/// What is said of a server's certificate in 2026; nothing if it is accepted.
fn verdict(trusted: &[&Der], server: &Der) -> String {
    through(trusted, server, &[])
}

/// The same with what the server sends beside its own.
fn through(trusted: &[&Der], server: &Der, sent: &[Der]) -> String {
    let trusted = trusted.iter().map(|der| (*der).clone()).collect();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1_780_000_000));
    let authorities = Authorities::new(Source::Given(trusted));
    let name = ServerName::try_from(SERVER).unwrap();
    match authorities.check(server, sent, &name, now) {
        Ok(()) => String::new(),
        Err(rustls::Error::InvalidCertificate(CertificateError::Other(why))) => why.0.to_string(),
        Err(rustls::Error::InvalidCertificate(why)) => format!("{why:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_servers_own_certificate_is_accepted_if_it_is_valid_for_the_server() {
    let issuer = ca(ca_params("ca"));
    let mut others = [
        params(SERVER),
        params(SERVER),
        params("other.example.com"),
        params(SERVER),
    ];
    others[0].not_after = date_time_ymd(2025, 1, 1);
    others[1].not_before = date_time_ymd(2029, 1, 1);
    others[3].extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    for (params, expected) in
        others
            .iter()
            .zip(["Expired", "NotValidYet", "NotValidForName", "InvalidPurpose"])
    {
        let pinned = issued(params, &issuer);
        let said = verdict(&[&pinned], &pinned);
        assert!(said.starts_with(expected), "{expected}: {said}");
    }
    let pinned = issued(&params(SERVER), &issuer);
    assert_eq!(verdict(&[&pinned], &pinned), "");
    // `openssl req -x509` makes one that may sign.
    let one_liner = alone(&ca_params(SERVER));
    assert_eq!(verdict(&[&one_liner], &one_liner), "");
    let twin = alone(&ca_params(SERVER));
    assert_ne!(verdict(&[&one_liner], &twin), "");
}

#[test]
fn a_trusted_server_is_no_authority() {
    let leaf = ca(params(SERVER));
    let server = issued(&params(SERVER), &leaf);
    let said = verdict(&[leaf.der()], &server);
    assert!(said.contains("may not issue any"), "{said}");
    // Nor does it disturb the authorities beside it.
    let issuer = ca(ca_params("ca"));
    let server = issued(&params(SERVER), &issuer);
    assert_eq!(verdict(&[leaf.der(), issuer.der()], &server), "");
}

#[test]
fn an_authority_must_be_one_and_valid_itself() {
    let mut wrong = [ca_params("a"), ca_params("b"), ca_params("c"), params("d")];
    wrong[0].not_after = date_time_ymd(2025, 1, 1);
    wrong[1].extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    wrong[2].key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let good = ca(ca_params("good"));
    for params_of_authority in wrong {
        let authority = ca(params_of_authority);
        let server = issued(&params(SERVER), &authority);
        assert_ne!(verdict(&[authority.der()], &server), "");
        assert_eq!(verdict(&[authority.der(), good.der()], &server), "UnknownIssuer");
        let other = issued(&params(SERVER), &good);
        assert_eq!(verdict(&[authority.der(), good.der()], &other), "");
    }
}

#[test]
fn a_server_whose_certificate_may_sign_needs_an_authority_right_above_it() {
    let issuer = ca(ca_params("ca"));
    let server = issued(&ca_params(SERVER), &issuer);
    assert_eq!(verdict(&[issuer.der()], &server), "");
    // Another key under the same name.
    let namesake = ca(ca_params("ca"));
    assert_ne!(verdict(&[namesake.der()], &server), "");
    let elsewhere = issued(&ca_params("other.example.com"), &issuer);
    assert!(verdict(&[issuer.der()], &elsewhere).starts_with("NotValidForName"));
}

#[test]
fn an_authority_below_the_trusted_one_has_to_be_allowed_to_issue() {
    let limited = |length: u8| {
        let mut params = ca_params("ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
        ca(params)
    };
    let below = |params: CertificateParams, issuer: &CertifiedIssuer<'static, KeyPair>| {
        CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), issuer).unwrap()
    };
    let mut mute = ca_params("one");
    mute.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let mut able = ca_params("one");
    able.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let any = ca(ca_params("ca"));
    for (root, one, is_accepted) in [
        (limited(0), ca_params("one"), false),
        (limited(1), ca_params("one"), true),
        (any, ca_params("one"), true),
        (limited(1), able, true),
        (limited(1), mute, false),
        (limited(1), params("one"), false),
    ] {
        let one = below(one, &root);
        let server = issued(&params(SERVER), &one);
        let said = through(&[root.der()], &server, &[one.der().clone()]);
        assert_eq!(said.is_empty(), is_accepted, "{said}");
        assert!(is_accepted || said.contains("may not issue it"), "{said}");
        let two = below(ca_params("two"), &one);
        let deeper = issued(&params(SERVER), &two);
        let sent = [two.der().clone(), one.der().clone()];
        let is_unlimited = path_length(&parse_x509_certificate(root.der()).unwrap().1) == usize::MAX;
        assert_eq!(through(&[root.der()], &deeper, &sent).is_empty(), is_unlimited);
    }
}

#[test]
fn a_limit_of_one_authority_is_none_of_another() {
    let mut narrow = ca_params("narrow");
    narrow.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let (narrow, wide) = (ca(narrow), ca(ca_params("wide")));
    let one = CertifiedIssuer::signed_by(ca_params("one"), KeyPair::generate().unwrap(), &wide).unwrap();
    let server = issued(&params(SERVER), &one);
    assert_eq!(
        through(&[narrow.der(), wide.der()], &server, &[one.der().clone()]),
        ""
    );
    let other = issued(&params("other.example.com"), &narrow);
    assert!(verdict(&[narrow.der(), wide.der()], &other).starts_with("NotValidForName"));
}

#[test]
fn an_authority_with_an_essential_extension_that_nobody_knows_is_not_used() {
    for (critical, is_accepted) in [(false, true), (true, false)] {
        let mut params_of_authority = ca_params("ca");
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
        extension.set_criticality(critical);
        params_of_authority.custom_extensions.push(extension);
        let authority = ca(params_of_authority);
        let said = verdict(&[authority.der()], &issued(&params(SERVER), &authority));
        assert_eq!(said.is_empty(), is_accepted, "{said}");
    }
}
