use std::path::PathBuf;

use crate::cli::KubeArgs;
use crate::model::request::KubeConnection;

/// The connection that kubectl's flags describe.
pub fn kube_connection(args: KubeArgs) -> KubeConnection {
    let KubeArgs {
        kubeconfig,
        context,
        cluster,
        user,
        namespace,
        impersonate,
        impersonate_groups,
        impersonate_uid,
        request_timeout,
        server,
        token,
        client_certificate,
        client_key,
        certificate_authority,
        insecure_skip_tls_verify,
        tls_server_name,
    } = args;
    // As for kubectl, an empty value is none: scripts pass variables that may be unset.
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let path = |path: Option<PathBuf>| path.filter(|path| !path.as_os_str().is_empty());
    KubeConnection {
        kubeconfig: path(kubeconfig),
        context: text(context),
        cluster: text(cluster),
        user: text(user),
        namespace: text(namespace),
        impersonate: text(impersonate),
        impersonate_groups,
        impersonate_uid: text(impersonate_uid),
        request_timeout,
        server: text(server),
        token: token.filter(|token| !token.is_empty()),
        client_certificate: path(client_certificate),
        client_key: path(client_key),
        certificate_authority: path(certificate_authority),
        insecure_skip_tls_verify,
        tls_server_name: text(tls_server_name),
    }
}
