/** The one place where the project's names on the wire are spelt. */

/** Namespace of predicate types: `<NS>/execution/v1`. */
export const NS = 'https://attestd.dev';
/** in-toto Statement v1 `_type`. */
export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
/** DSSE payload type of every entry. */
export const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
/** DSSE payload type of a policy manifest. */
export const POLICY_PAYLOAD_TYPE = 'application/vnd.attestd.policy+json;version=1';
/** Media type of an evidence bundle. */
export const BUNDLE_MEDIA_TYPE = 'application/vnd.attestd.bundle+json;version=1';
/** Media type of the answer to an auditor's nonce. */
export const FRESH_MEDIA_TYPE = 'application/vnd.attestd.fresh+json;version=1';
/** Prefix of the first line of everything that the AK signs: `attestd.dev/<tag>\n`. */
export const TAG_PREFIX = 'attestd.dev/';
