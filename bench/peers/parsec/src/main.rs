//! A caller of Parsec's service: makes a P-256 key and signs with it, one request after the other.
//!   parsec-caller COUNT     with PARSEC_SERVICE_ENDPOINT in the environment
//! Prints the milliseconds of each signature, a line each.
use parsec_client::core::interface::operations::psa_algorithm::{AsymmetricSignature, Hash};
use parsec_client::core::interface::operations::psa_key_attributes::{
    Attributes, EccFamily, Lifetime, Policy, Type, UsageFlags,
};
use parsec_client::BasicClient;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u32 = std::env::args().nth(1).ok_or("parsec-caller COUNT")?.parse()?;
    let client = BasicClient::new(None)?;
    let algorithm = AsymmetricSignature::Ecdsa { hash_alg: Hash::Sha256.into() };
    let mut usage = UsageFlags::default();
    let _ = usage.set_sign_hash();
    let attributes = Attributes {
        lifetime: Lifetime::Persistent,
        key_type: Type::EccKeyPair { curve_family: EccFamily::SecpR1 },
        bits: 256,
        policy: Policy { usage_flags: usage, permitted_algorithms: algorithm.into() },
    };
    client.psa_generate_key("bench", attributes)?;
    for i in 0..count {
        let mut digest = [0u8; 32];
        digest[..4].copy_from_slice(&i.to_le_bytes());
        let from = Instant::now();
        client.psa_sign_hash("bench", &digest, algorithm)?;
        println!("{:.4}", from.elapsed().as_secs_f64() * 1e3);
    }
    client.psa_destroy_key("bench")?;
    Ok(())
}
