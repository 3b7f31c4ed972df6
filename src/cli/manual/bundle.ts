/** attestd-bundle(5): what an evidence bundle holds, member by member of its schema. */
import { BUNDLE_MEDIA_TYPE } from '../../core/namespace.ts';
import { BundleSchema, MAX_BUNDLE } from '../../evidence/schema/bundle.ts';
import { item, type Page, para, shown } from './roff.ts';

/** What each member is for; a test holds the names against the schema. */
export const BUNDLE_MEMBERS: Readonly<Record<string, string>> = {
  mediaType: `"${BUNDLE_MEDIA_TYPE}"`,
  record:
    'the entry (DSSE pre-authentication encoding of the statement, base64) and its c2sp.org/tlog-proof@v1, which carries checkpoint and seal',
  genesis: 'entry 0 of the epoch, with its inclusion proof: keys, storage primary, counter',
  boot: "the boot entry of the record's run, with its inclusion proof",
  keyChanges:
    'entries below the checkpoint that put another AK or record key in force, with inclusion proofs',
  measurements: "measurement entries of the record's run, by rising index",
  anchors:
    'the first anchor whose checkpoint covers the record, and the one before it, with consistency proofs',
  related: 'entries of the same log that the record rests on: parents, grants, policies, earlier uses',
  pcrs: 'values of the PCRs that the seal quotes; absent where they kept racing the quote',
  logs: 'the firmware log and the events of userspace that explain those values',
  chain: 'X.509 certificates, the AK certificate first; the root comes from the trust file',
  crls: 'lists of revocations, DER',
  timestamps: 'RFC 3161 tokens over this seal, or over a later one chained to it',
  foreign: 'bundles of records of other logs that this one rests on',
  foreignChains:
    'certificates of hosts whose checkpoints records here hold as proof of a parent in their logs',
  witnessed: 'a later checkpoint with cosignatures of witnesses, and the consistency proof that leads to it',
  disclosures: 'openings of salted values (RFC 9901), base64url',
};

export function bundlePage(): Page {
  const required = new Set((BundleSchema as unknown as { required: string[] }).required);
  return {
    name: 'attestd-bundle',
    section: 5,
    summary: 'format of the evidence bundles of attestd',
    parts: [
      {
        title: 'DESCRIPTION',
        body: [
          para(
            `A file NAME.attest.json of media type ${BUNDLE_MEDIA_TYPE}: one JSON object in the form of RFC 8785, at most ${MAX_BUNDLE} bytes, that holds no byte that no check covers. With a trust file it is all that a verifier needs.`,
          ),
          shown(['attestctl verify run.attest.json --trust trust.json']),
        ],
      },
      {
        title: 'MEMBERS',
        body: Object.keys(BundleSchema.properties).map((name) =>
          item(required.has(name) ? name : `${name} (where there is one)`, BUNDLE_MEMBERS[name] ?? ''),
        ),
      },
      {
        title: 'SCHEMA',
        body: [para('The JSON Schema is bundle.json in /usr/share/doc/attestd/schemas.')],
      },
    ],
    seeAlso: ['attestctl(1)', 'attestd(8)'],
  };
}
