/** Ed25519 (RFC 8032) by WebCrypto, over keys as 32 raw bytes: what nodes, owners of policies and witnesses sign with. */

/** Whether these 64 bytes are a signature by this key. Never throws: a key that is none verifies nothing. */
export async function verifyEd25519(
  key: Uint8Array,
  signature: Uint8Array,
  message: Uint8Array,
): Promise<boolean> {
  if (key.length !== 32 || signature.length !== 64) return false;
  try {
    const imported = await crypto.subtle.importKey('raw', new Uint8Array(key), 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify(
      'Ed25519',
      imported,
      new Uint8Array(signature),
      new Uint8Array(message),
    );
  } catch {
    return false;
  }
}
