//! The access tokens of self-hosted gateways.
//!
//! A token is `{gateway}&{yyyyMMddHHmm}&{base64}`, as `generateToken` of the API Management REST API returns it:
//! without the prefix `GatewayKey `, its expiry in UTC and cut to the minute. That the signature is an HMAC-SHA512
//! with the gateway's key follows from its size in public examples and is not documented.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::inventory::{Gateway, GatewayRecord, Inventory, Slot};

const STAMP: &str = "%Y%m%d%H%M";

/// What the configuration endpoint knows of a token that it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The gateway that the token is for.
    pub gateway: Gateway,
    /// The key that signed the token.
    pub slot: Slot,
    /// How often that key had been regenerated when it signed the token.
    pub generation: u32,
    /// When the token expires.
    pub expires: Timestamp,
}

/// Why the configuration endpoint refuses a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The text does not have the form of a token.
    Malformed,
    /// No gateway has the token's id, or none in the service that was asked.
    UnknownGateway,
    /// The signature was valid until this key was regenerated.
    KeyRegenerated(Slot),
    /// No key of the gateway, present or past, made the signature.
    BadSignature,
    /// The signature is valid and the token has expired.
    Expired(Timestamp),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Malformed => f.write_str("the text is not of the form of a gateway token"),
            Refusal::UnknownGateway => f.write_str("no such gateway"),
            Refusal::KeyRegenerated(slot) => {
                write!(f, "the {slot} key that signed the token was regenerated")
            }
            Refusal::BadSignature => f.write_str("no key of the gateway made the signature"),
            Refusal::Expired(at) => write!(f, "the token expired at {at}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The two keys of a gateway.
pub(super) struct Keys {
    primary: Generations,
    secondary: Generations,
    /// Keys whose tokens are refused because a test wanted it.
    spoiled: Vec<[u8; 64]>,
}

/// Every key that a slot ever had, the present one last; it is never empty.
struct Generations(Vec<[u8; 64]>);

impl Keys {
    pub(super) fn generate() -> Keys {
        Keys {
            primary: Generations(vec![random_key()]),
            secondary: Generations(vec![random_key()]),
            spoiled: Vec::new(),
        }
    }

    /// From now on the tokens of a slot's present key are refused because a test wanted it.
    pub(super) fn spoil(&mut self, slot: Slot) {
        self.spoiled.push(*self.generations(slot).present());
        self.regenerate(slot);
    }

    /// A token of the right form that will be refused because a test wanted it.
    pub(super) fn forge(&mut self, name: &str, expires: Timestamp) -> String {
        let key = random_key();
        self.spoiled.push(key);
        signed(&key, name, &stamp(expires))
    }

    pub(super) fn regenerate(&mut self, slot: Slot) {
        let generations = match slot {
            Slot::Primary => &mut self.primary,
            Slot::Secondary => &mut self.secondary,
        };
        generations.0.push(random_key());
    }

    /// The key as `listKeys` shows it.
    pub(super) fn reveal(&self, slot: Slot) -> String {
        BASE64_STANDARD.encode(self.generations(slot).present())
    }

    /// A token for `name`, which is part of what is signed.
    pub(super) fn mint(&self, name: &str, slot: Slot, expires: Timestamp) -> String {
        signed(self.generations(slot).present(), name, &stamp(expires))
    }

    fn generations(&self, slot: Slot) -> &Generations {
        match slot {
            Slot::Primary => &self.primary,
            Slot::Secondary => &self.secondary,
        }
    }

    /// The slot and the generation of the key that signed the token.
    fn signer(&self, token: &Parsed<'_>) -> Result<(Slot, u32), Refusal> {
        let mut refusal = Refusal::BadSignature;
        for slot in [Slot::Primary, Slot::Secondary] {
            let keys = &self.generations(slot).0;
            let Some(index) = keys
                .iter()
                .position(|key| signature(key, token.id, token.stamp) == token.signature)
            else {
                continue;
            };
            if index + 1 == keys.len() {
                return Ok((slot, u32::try_from(index).unwrap_or(u32::MAX)));
            }
            refusal = Refusal::KeyRegenerated(slot);
        }
        Err(refusal)
    }
}

impl Generations {
    fn present(&self) -> &[u8; 64] {
        self.0.last().expect("a slot has a key from its beginning on")
    }
}

/// The gateway id in a token, if it has the form of one.
pub(super) fn gateway_id(presented: &str) -> Option<&str> {
    Parsed::from(presented).map(|token| token.id)
}

/// Judges what a gateway presents: the token, or the token after the word `GatewayKey`.
pub(super) fn judge(
    inventory: &Inventory,
    service: Option<&str>,
    presented: &str,
    now: Timestamp,
) -> Result<Acceptance, Refusal> {
    let token = Parsed::from(presented).ok_or(Refusal::Malformed)?;
    let mut refusal = Refusal::UnknownGateway;
    for record in inventory.gateways_called(token.id, service) {
        match accept(record, &token, now) {
            Ok(acceptance) => return Ok(acceptance),
            // A gateway of the same name in another service cannot judge a token of this one.
            Err(Refusal::BadSignature) if refusal != Refusal::UnknownGateway => {}
            Err(reason) => refusal = reason,
        }
    }
    Err(refusal)
}

/// Whether a token is refused because a test wanted it.
pub(super) fn is_spoiled(inventory: &Inventory, presented: &str) -> bool {
    Parsed::from(presented).is_some_and(|token| {
        let spoiled = inventory
            .gateways_called(token.id, None)
            .flat_map(|record| &record.keys.spoiled);
        spoiled
            .into_iter()
            .any(|key| signature(key, token.id, token.stamp) == token.signature)
    })
}

fn accept(record: &GatewayRecord, token: &Parsed<'_>, now: Timestamp) -> Result<Acceptance, Refusal> {
    let (slot, generation) = record.keys.signer(token)?;
    if token.expires <= now {
        return Err(Refusal::Expired(token.expires));
    }
    Ok(Acceptance {
        gateway: record.names.clone(),
        slot,
        generation,
        expires: token.expires,
    })
}

struct Parsed<'a> {
    id: &'a str,
    stamp: &'a str,
    signature: &'a str,
    expires: Timestamp,
}

impl Parsed<'_> {
    fn from(presented: &str) -> Option<Parsed<'_>> {
        let text = presented.trim();
        let text = text.strip_prefix("GatewayKey ").map_or(text, str::trim_start);
        // The id may contain anything, `&` included; the other two parts may not.
        let (rest, signature) = text.rsplit_once('&')?;
        let (id, stamp) = rest.rsplit_once('&')?;
        if id.is_empty() || stamp.len() != 12 {
            return None;
        }
        let expires = DateTime::strptime(STAMP, stamp)
            .ok()?
            .to_zoned(TimeZone::UTC)
            .ok()?
            .timestamp();
        Some(Parsed {
            id,
            stamp,
            signature,
            expires,
        })
    }
}

fn stamp(expires: Timestamp) -> String {
    expires.strftime(STAMP).to_string()
}

fn signed(key: &[u8; 64], name: &str, stamp: &str) -> String {
    format!("{name}&{stamp}&{}", signature(key, name, stamp))
}

fn signature(key: &[u8; 64], name: &str, stamp: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA512, key);
    BASE64_STANDARD.encode(hmac::sign(&key, format!("{name}\n{stamp}").as_bytes()))
}

fn random_key() -> [u8; 64] {
    let mut key = [0; 64];
    SystemRandom::new()
        .fill(&mut key)
        .expect("the machine has a source of randomness");
    key
}
