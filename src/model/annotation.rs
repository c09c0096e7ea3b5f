//! The annotations that a rotation leaves behind, on the Secret and on the
//! pod template of the workload.

/// The key slot that signed the credential: `primary` or `secondary`. The
/// name is that of the shell script `apim-shg-rotate`, whose users have it on
/// their Secrets already.
pub const LAST_USED_KEY: &str = "last-used-key";

/// The UUID of the rotation that wrote the credential; on the pod template,
/// of the rotation that restarted the workload.
pub const ROTATION_ID: &str = "apim-rotate/rotation-id";

/// The key slot of the credential before this one; absent when unknown.
pub const PREVIOUS_KEY: &str = "apim-rotate/previous-key";

/// When the credential expires, RFC 3339. Our annotations count only while
/// this equals the credential's own stamp.
pub const EXPIRES_AT: &str = "apim-rotate/expires-at";

/// When the credential was written, RFC 3339.
pub const ROTATED_AT: &str = "apim-rotate/rotated-at";

/// The ARM id of the gateway, so that the next run has nothing to look up.
pub const GATEWAY: &str = "apim-rotate/gateway";

/// Present when the last rotation was told that something else restarts the
/// workload (`--no-restart`), so that no restart is owed.
pub const RESTART_BY_OTHER: &str = "apim-rotate/restart-by-other";

/// What `kubectl rollout restart` sets. We set it to the time of the write,
/// never to the present, so that a repeated restart changes nothing.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Where `kubectl apply` keeps a copy of the whole object, a Secret's data
/// included.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What a rotation records on the Secret.
pub const OF_SECRET: [&str; 7] = [
    LAST_USED_KEY,
    ROTATION_ID,
    PREVIOUS_KEY,
    EXPIRES_AT,
    ROTATED_AT,
    GATEWAY,
    RESTART_BY_OTHER,
];

/// What a rotation sets on the pod template.
pub const OF_TEMPLATE: [&str; 2] = [ROTATION_ID, RESTARTED_AT];
