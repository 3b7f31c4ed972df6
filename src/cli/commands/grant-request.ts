/** `attestctl grant request`: asks for a grant and prints its id; refused, it says which denial to have approved. */
import type { GrantRequest } from '../../client/client.ts';
import { AttestdError, isAttestdError } from '../../core/errors.ts';
import { parseJson } from '../../core/json.ts';
import { type Input, list, text } from '../command.ts';
import { digestFile } from '../executable.ts';
import { readInput } from '../files.ts';
import { receiptDocument, withClient } from '../session.ts';
import { claimedBy } from '../token.ts';

export async function run(input: Input): Promise<number> {
  const file = text(input, 'request');
  const request =
    file === undefined
      ? { ...fromOptions(input), ...(await holderBy(input)), ...(await claimedBy(input)) }
      : // The daemon checks the shape; what goes out is what was read.
        (parseJson(await readInput(file, input.io)) as unknown as GrantRequest);
  return withClient(input, async (client) => {
    try {
      const receipt = await client.grant(request);
      if (input.io.json) input.io.out(`${receiptDocument(receipt)}\n`);
      else {
        input.io.out(`${receipt.id}\n`);
        input.io.note(`granted, ${receipt.strength} as entry ${receipt.index} of ${receipt.log}`);
      }
      return 0;
    } catch (fault) {
      if (isAttestdError(fault) && fault.facts.denial !== undefined)
        input.io.note(`the denial is record ${fault.facts.denial.id}`);
      throw fault;
    }
  });
}

/** The caller itself, while it runs this program. @throws USAGE where the file cannot be read */
async function holderBy(input: Input): Promise<Pick<GrantRequest, 'holder'>> {
  const executable = text(input, 'executable');
  if (executable === undefined) return {};
  try {
    return { holder: { exeSha256: await digestFile(executable) } };
  } catch (e) {
    throw new AttestdError('USAGE', `--executable: ${(e as Error).message}`, {
      field: '--executable',
      cause: e,
    });
  }
}

function fromOptions(input: Input): GrantRequest {
  const [type, name, target] = [text(input, 'type'), text(input, 'name'), text(input, 'target')];
  if (type === undefined || name === undefined)
    throw new AttestdError('USAGE', 'a grant needs --type and --name, or --request', { field: '--type' });
  const approvals = list(input, 'approval');
  const from = text(input, 'from');
  const reason = text(input, 'breakGlass');
  return {
    scope: [{ type, name, ...(target === undefined ? {} : { target }) }],
    maxUses: number(input, 'uses', 1),
    seconds: number(input, 'seconds', 600),
    ...(approvals.length === 0 ? {} : { approvals }),
    ...(from === undefined ? {} : { delegatedFrom: from }),
    ...(reason === undefined ? {} : { breakGlass: { reason } }),
  };
}

/** A whole number from 1 on. @param absent what stands for no number, whatever it is @throws USAGE */
export function number(input: Input, name: string, absent: number): number {
  const given = text(input, name);
  if (given === undefined) return absent;
  if (!/^[1-9][0-9]{0,8}$/.test(given))
    throw new AttestdError('USAGE', `--${name} is a whole number from 1 on, not ${given}`, {
      field: `--${name}`,
    });
  return Number(given);
}
