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
    KubeConnection {
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
    }
}
