//! Rotates the credentials of Azure API Management self-hosted gateways on
//! Kubernetes, and says what lapses when.
