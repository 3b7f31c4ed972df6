/** `attestctl verify`: the verdict on a bundle or a fresh quote, with its attachments. Offline; loads only the verifier. */
import { toBase64Url } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { printableDocument } from '../../core/printable.ts';
import { printEar } from '../../verify/ear.ts';
import { exitStatus, printReport, type Report } from '../../verify/report.ts';
import { printText } from '../../verify/text.ts';
import { parseTrust, type Trust } from '../../verify/trust.ts';
import { verifyBundle, verifyFresh } from '../../verify/verify.ts';
import { attachmentsBeside } from '../attachment.ts';
import { type Input, on, text } from '../command.ts';
import { readInput } from '../files.ts';
import { readNonce } from '../nonce.ts';
import { VERSION } from '../version.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const trustFile = text(input, 'trust') ?? io.environment.ATTESTD_TRUST;
  if (trustFile === undefined) {
    throw new AttestdError(
      'USAGE',
      'whom do you trust? give --trust, or make a file by attestctl trust init',
    );
  }
  const read = demanded(parseTrust(await readInput(trustFile, io)), text(input, 'minLevel'));
  const trust = on(input, 'closure') ? { ...read, closure: true } : read;
  const file = input.args[0] as string;
  const bytes = await readInput(file, io);
  const options = { attachments: attachmentsBeside(file) };
  const nonce = text(input, 'nonce');
  const report: Report =
    nonce === undefined
      ? await verifyBundle(bytes, trust, options)
      : await verifyFresh(bytes, readNonce(nonce), trust, options);
  if (on(input, 'ear')) {
    io.out(
      printableDocument(
        printEar(report, {
          issuedAt: Math.floor(Date.now() / 1000),
          build: VERSION,
          policies: trust.policies.map((p) => p.policy.name),
          ...(nonce === undefined ? {} : { nonce: toBase64Url(readNonce(nonce)) }),
        }),
      ),
    );
  } else if (io.json) io.out(printReport(report));
  else {
    const colour = { pass: 'green', fail: 'red', unknown: 'yellow' } as const;
    const { record } = report;
    if (record !== undefined) {
      io.out(
        `${io.style('bold', record.id ?? record.digest)}  entry ${record.index} of ${record.log ?? '?'}, ${record.time ?? '?'}\n\n`,
      );
    }
    io.out(
      printText(report, {
        details: true,
        files: on(input, 'details'),
        paint: (t, status) => io.style(colour[status], t),
      }),
    );
  }
  return exitStatus(report);
}

/** A higher level than the trust file demands; a lower one is refused, for the file is the auditor's decision. */
function demanded(trust: Trust, level: string | undefined): Trust {
  if (level === undefined) return trust;
  const wanted = Number(level);
  if (![1, 2, 3, 4].includes(wanted) || wanted < trust.minimumLevel) {
    throw new AttestdError('USAGE', `--min-level is ${trust.minimumLevel} to 4 under this trust file`);
  }
  return { ...trust, minimumLevel: wanted as Trust['minimumLevel'] };
}
