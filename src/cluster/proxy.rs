//! The choice of the proxy for the API server. It is made here because the
//! client compares `NO_PROXY` with the proxy's address instead of the cluster's.

use std::net::IpAddr;

use http::Uri;

use crate::error::{Error, Result};

/// The proxy for the server: the kubeconfig's `proxy-url`, which no variable
/// overrides; else the variable for the server's scheme, unless `NO_PROXY`
/// matches the server. The rules are those of kubectl (Go's `httpproxy`).
pub(super) fn proxy_for(
    server: &Uri,
    kubeconfig: Option<&str>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Uri>> {
    let read = |upper: &str| {
        [upper.to_owned(), upper.to_ascii_lowercase()]
            .iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()))
    };
    if let Some(proxy) = kubeconfig.filter(|proxy| !proxy.is_empty()) {
        return parse(proxy, "the kubeconfig's proxy-url").map(Some);
    }
    let (name, default_port) = match server.scheme_str() {
        Some("http") => ("HTTP_PROXY", 80),
        _ => ("HTTPS_PROXY", 443),
    };
    let Some(proxy) = read(name) else { return Ok(None) };
    let host = server.host().unwrap_or_default();
    let port = server.port_u16().unwrap_or(default_port);
    if excluded(host, port, &read("NO_PROXY").unwrap_or_default()) {
        return Ok(None);
    }
    parse(&proxy, name).map(Some)
}

/// The address of a proxy for messages, without its user name and password.
pub(super) fn address(proxy: &Uri) -> Option<String> {
    let authority = proxy.authority()?.as_str();
    let place = authority.rsplit('@').next().unwrap_or(authority);
    Some(format!("{}://{place}", proxy.scheme_str()?))
}

/// No message shows the address, since it may contain a password.
fn parse(proxy: &str, origin: &str) -> Result<Uri> {
    let full = if proxy.contains("://") {
        proxy.to_owned()
    } else {
        format!("http://{proxy}")
    };
    let uri: Uri = full
        .parse()
        .map_err(|_| Error::usage(format!("{origin} is not the URL of a proxy")))?;
    match uri.scheme_str() {
        // The proxy resolves the server's name with both of the last.
        Some("http" | "https" | "socks5" | "socks5h") if uri.host().is_some_and(|host| !host.is_empty()) => {
            Ok(uri)
        }
        _ => Err(Error::usage(format!(
            "{origin} has an unsupported scheme: http, https, socks5 and socks5h are supported"
        ))),
    }
}

/// Whether the host is local or exempted by `NO_PROXY`.
fn excluded(host: &str, port: u16, no_proxy: &str) -> bool {
    let host = unbracketed(host).trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    let local = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    local
        || no_proxy
            .split(',')
            .map(|entry| entry.trim().to_ascii_lowercase())
            .filter(|entry| !entry.is_empty())
            .any(|entry| matches(&entry, &host, address, port))
}

/// Whether an entry matches the host: `*`, a network, or an address or domain
/// with or without a port. A domain includes its subdomains; with a leading dot
/// it matches only those.
fn matches(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = entry.split_once('/') {
        let (Ok(network), Ok(bits)) = (network.parse(), bits.parse()) else {
            return false;
        };
        return address.is_some_and(|address| contains(network, bits, address));
    }
    let (name, entry_port) = split_port(entry);
    if entry_port.is_some_and(|entry_port| entry_port != port) {
        return false;
    }
    if let Ok(entry_address) = name.parse::<IpAddr>() {
        return address.is_some_and(|address| address.to_canonical() == entry_address.to_canonical());
    }
    if address.is_some() {
        return false;
    }
    let name = match name.strip_prefix('*') {
        Some(subdomains) if subdomains.starts_with('.') => subdomains,
        _ => name,
    };
    let bare = name.strip_prefix('.').unwrap_or(name);
    let subdomain = host
        .strip_suffix(bare)
        .is_some_and(|before| before.len() > 1 && before.ends_with('.'));
    !bare.is_empty() && (subdomain || (host == name))
}

fn split_port(entry: &str) -> (&str, Option<u16>) {
    if entry.parse::<IpAddr>().is_ok() {
        return (entry, None);
    }
    match entry.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => (unbracketed(name), port.parse().ok()),
        _ => (entry, None),
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

fn contains(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    match (network.to_canonical(), address.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(address)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_read_as_kubectl_reads_it() {
        for (no_proxy, server, excluded) in [
            ("", "https://api.example.com", false),
            ("*", "https://api.example.com", true),
            ("*", "https://10.1.2.3", true),
            ("example.com", "https://example.com", true),
            ("example.com", "https://api.example.com", true),
            ("example.com", "https://notexample.com", false),
            (".example.com", "https://example.com", false),
            (".example.com", "https://api.example.com", true),
            ("*.example.com", "https://api.example.com", true),
            ("*.example.com", "https://example.com", false),
            ("EXAMPLE.com", "https://api.Example.COM", true),
            ("a.test, ,example.com,", "https://api.example.com", true),
            ("example.com:6443", "https://api.example.com:6443", true),
            ("example.com:6443", "https://api.example.com", false),
            ("example.com:443", "https://api.example.com", true),
            ("10.0.0.1", "https://10.0.0.1:6443", true),
            ("10.0.0.1:6443", "https://10.0.0.1:6443", true),
            ("10.0.0.1:6443", "https://10.0.0.1", false),
            ("10.0.0.0/8", "https://10.1.2.3", true),
            ("10.0.0.0/8", "https://11.1.2.3", false),
            ("0.0.0.0/0", "https://11.1.2.3", true),
            ("10.0.0.0/99", "https://10.1.2.3", false),
            ("10.0.0.0/8", "https://api.example.com", false),
            ("fd00::/8", "https://[fd00::1]:6443", true),
            ("fd00::1", "https://[fd00::1]:6443", true),
            ("[fd00::1]:6443", "https://[fd00::1]:6443", true),
            ("[fd00::1]:1", "https://[fd00::1]:6443", false),
            ("[fd00::1]", "https://[fd00::1]:6443", false),
            ("foo api.example.com", "https://api.example.com", false),
            ("*example.com", "https://api.example.com", false),
            (".3", "https://10.1.2.3", false),
            ("", "https://localhost:6443", true),
            ("", "https://127.0.0.1:6443", true),
            ("", "https://[::1]:6443", true),
        ] {
            let variable = |name: &str| match name {
                "HTTPS_PROXY" => Some("http://proxy:3128".to_owned()),
                "NO_PROXY" => Some(no_proxy.to_owned()),
                _ => None,
            };
            let proxy = proxy_for(&server.parse().unwrap(), None, &variable).unwrap();
            assert_eq!(proxy.is_none(), excluded, "NO_PROXY={no_proxy} {server}");
        }
    }

    #[test]
    fn the_kubeconfig_wins_and_the_scheme_chooses_the_variable() {
        let variable = |name: &str| match name {
            "https_proxy" => Some("proxy:3128".to_owned()),
            "HTTP_PROXY" => Some("http://plain:3128".to_owned()),
            "no_proxy" => Some("*".to_owned()),
            _ => None,
        };
        let https: Uri = "https://api.example.com".parse().unwrap();
        let chosen = proxy_for(&https, Some("socks5://jump:1080"), &variable).unwrap();
        assert_eq!(chosen.unwrap().host(), Some("jump"));

        let variable = |name: &str| variable(name).filter(|value| value != "*");
        let chosen = proxy_for(&https, None, &variable).unwrap();
        assert_eq!(chosen.unwrap().to_string(), "http://proxy:3128/");
        let http: Uri = "http://api.example.com".parse().unwrap();
        let chosen = proxy_for(&http, Some(""), &variable).unwrap();
        assert_eq!(chosen.unwrap().host(), Some("plain"));
    }

    #[test]
    fn an_unsupported_proxy_is_refused_without_showing_the_password() {
        let https: Uri = "https://api.example.com".parse().unwrap();
        for proxy in ["ftp://u:s3cr3t@jump", "http://u:s3cr3t@ jump"] {
            let error = proxy_for(&https, Some(proxy), &|_| None).unwrap_err();
            assert!(!error.to_string().contains("s3cr3t"), "{error}");
        }
    }
}
