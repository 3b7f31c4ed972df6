/** `attestctl keys rotate`: makes the keys that come next; the daemon puts them in force when it starts. */
import { toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { layoutOf } from '../../daemon/layout.ts';
import { configuredPolicy } from '../../daemon/recordpolicy.ts';
import { abandonRotation } from '../../daemon/rotating.ts';
import { beginRotation, waitingKeys } from '../../tpm/rotation.ts';
import { type Input, on, text } from '../command.ts';
import { isEnrolled } from '../enrolment.ts';
import { chosenConfig, hostRandom, withIdentity } from '../host.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const config = chosenConfig(input);
  const layout = layoutOf(config.state_dir);
  if (on(input, 'abandon')) {
    await abandonRotation(layout);
    if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/rotation/v1', abandoned: true })}\n`);
    else io.note('the new keys are forgotten; those in force go on');
    return 0;
  }
  const recordPolicy = configuredPolicy(config);
  const both = !on(input, 'ak') && !on(input, 'record');
  const wish = {
    ak: both || on(input, 'ak'),
    recordKey: both || on(input, 'record'),
    reason: text(input, 'reason') ?? 'rotated by the operator',
    ...(recordPolicy === undefined ? {} : { recordPolicy }),
  };
  if (wish.reason.length > 256) throw new AttestdError('USAGE', 'a reason has at most 256 characters');
  if (wish.ak && !isEnrolled(config)) {
    throw new AttestdError(
      'NOT_ENROLLED',
      'the attestation key has no certificate that another could take over',
    );
  }
  const made = await withIdentity(config, async (tpm, identity) => {
    const rotation = await beginRotation(tpm, layout.identity, wish, Date.now(), hostRandom);
    const { ak, recordKey } = waitingKeys(rotation, identity.storage.name);
    return {
      ...(ak === undefined ? {} : { ak: toHex(ak.name) }),
      ...(recordKey === undefined ? {} : { record: toHex(recordKey.name) }),
    };
  });
  if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/rotation/v1', ...made })}\n`);
  else for (const [role, name] of Object.entries(made)) io.out(`${role} ${name}\n`);
  io.note(
    wish.ak
      ? 'next: attestctl enroll request -o request.json (until the new AK has its certificate the old one goes on)'
      : 'next: restart the daemon; it puts the new key in force and records that',
  );
  return 0;
}
