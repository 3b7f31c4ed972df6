/**
 * What is loaded in the TPM, to see leaks by. It is asked for when somebody looks and told to the next who does, so that
 * nobody waits for the TPM to see the metrics; one that does not answer is asked once and not again until it has.
 */
import { occupancy } from '../../tpm/property.ts';
import type { Tpm } from '../../tpm/tpm.ts';

/** Objects and sessions as they were found after the look before; undefined where the TPM did not say. */
export type Handles = () => ReadonlyMap<string, number> | undefined;

export function createHandles(tpm: () => Tpm | undefined): Handles {
  let found: ReadonlyMap<string, number> | undefined;
  let asked = false;
  async function ask(of: Tpm): Promise<void> {
    asked = true;
    try {
      // Behind all that is waited for.
      found = new Map(Object.entries(await occupancy(of, { urgency: 'sign' })));
    } catch {
      // What failed is counted among the errors of the TPM.
      found = undefined;
    } finally {
      asked = false;
    }
  }
  return () => {
    const said = found;
    const of = tpm();
    if (of !== undefined && !of.hung && !asked) void ask(of);
    return said;
  };
}
