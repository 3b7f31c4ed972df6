/**
 * Which attestctl this is: `host` has all commands; `client`, which packages of JavaScript alone carry, only those that
 * need neither TPM nor addon. Packaging puts the other word in this file's place (scripts/package.mjs).
 */
export const EDITION: 'host' | 'client' = 'host';
