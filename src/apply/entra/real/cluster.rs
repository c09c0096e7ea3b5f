use super::super::effects::Failure;
use crate::cluster::explain;

/// The failure of a write to the cluster.
pub(super) fn refused(error: kube::Error, doing: &str) -> Failure {
    match &error {
        kube::Error::Api(status) if status.code == 403 => Failure::Forbidden(explain(error, doing)),
        kube::Error::Api(status) if matches!(status.code, 408 | 500..) => {
            Failure::Unknown(explain(error, doing))
        }
        kube::Error::Api(_) | kube::Error::Auth(_) => Failure::Failed(explain(error, doing)),
        _ => Failure::Unknown(explain(error, doing)),
    }
}

/// Whether the object has to be read before it is known what became of a write.
pub(super) fn may_be_sent_again(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 408 | 409 | 429 | 500..),
        kube::Error::Auth(_) | kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => false,
        _ => true,
    }
}
