/**
 * The answer to an auditor's nonce: a quote, and the counter, over the nonce and the newest seal. Nothing newer than
 * that seal has been sealed, and with the counter nothing newer has been anchored. Seals go first: both commands wait
 * behind every quote of the sealer.
 */
import { fromUtf8, toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { freshCounterExtraData, freshExtraData } from '../evidence/binding.ts';
import { printFresh } from '../evidence/fresh.ts';
import { parseNote } from '../log/note.ts';
import { bank, keyChangesMember, measurementsOf, proved, provedAnchor } from './bundle.ts';
import type { HostCertificate } from './certificate.ts';
import type { Engine } from './engineface.ts';
import type { LogReader } from './reader.ts';
import { findAnchor } from './search.ts';
import type { Stamps } from './stamps.ts';

/**
 * @param nonce 16 to 64 bytes
 * @param ima the IMA list too
 * @throws SEAL_PENDING before the first seal, IMA_UNAVAILABLE, and what the TPM throws
 */
export async function makeFresh(
  engine: Pick<
    Engine,
    'quoter' | 'counter' | 'identity' | 'hostKeys' | 'places' | 'measuring' | 'sealer' | 'shelf'
  >,
  log: LogReader,
  certificate: HostCertificate,
  stamps: Stamps,
  nonce: Uint8Array,
  ima = false,
): Promise<Uint8Array> {
  const { measuring, sealer } = engine;
  // The quote shows what was measured until now, so the newest seal must cover it.
  if (measuring !== undefined && measuring.newest >= 0)
    await new Promise<void>((resolve) => sealer.wait(measuring.newest, () => resolve()));
  const quoted = async () => {
    const seal = log.lastSeal();
    // Between a change of keys and its first seal there is none that the key in force made.
    if (seal === undefined || engine.hostKeys.changes.some((c) => c.index >= seal.size))
      throw new AttestdError('SEAL_PENDING', 'nothing is sealed yet');
    const { text } = parseNote(seal.note);
    const quote = await engine.quoter.take(freshExtraData(nonce, seal.digest, text), { urgency: 'sign' });
    return { seal, text, quote };
  };
  const { seal, text, quote } = await (measuring?.exclusive(quoted) ?? quoted());
  const counter = await engine.counter?.certify(
    engine.identity.ak,
    freshCounterExtraData(nonce, seal.digest, text),
    { urgency: 'sign' },
  );
  const anchor = findAnchor(log, seal.anchorCtr);
  const stamped = await stamps.find(log, seal);
  const own = stamped?.seal.seq === seal.seq ? stamped.tokens : [];
  const values = bank(quote.pcrs);
  const measurements = await measurementsOf(log, engine.places, seal);
  return printFresh({
    nonce: toHex(nonce),
    note: fromUtf8(seal.note),
    fresh: {
      attest: toBase64(quote.attest),
      signature: toBase64(quote.signature),
      ...values,
    },
    ...(counter === undefined
      ? {}
      : { counter: { attest: toBase64(counter.attest), signature: toBase64(counter.signature) } }),
    genesis: await proved(log, 0, seal),
    boot: await proved(log, seal.bootIndex, seal),
    ...(await keyChangesMember(log, engine.hostKeys, seal)),
    ...(measurements.length === 0 ? {} : { measurements }),
    ...(anchor === undefined ? {} : { anchor: await provedAnchor(log, anchor, seal) }),
    ...(await engine.shelf.member(log, seal.bootIndex, values.pcrs?.sha256, ima)),
    chain: certificate.chain.map(toBase64),
    crls: [toBase64(certificate.crl)],
    ...(own.length === 0 ? {} : { timestamps: own.map((token) => ({ token: toBase64(token) })) }),
  });
}
