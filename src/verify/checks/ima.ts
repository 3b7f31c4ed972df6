/**
 * `ima-list`: the IMA list, replayed from entry 0, leads to the quoted PCR 10. It passes where a bundle has none: whether
 * one is needed is for the policies of the trust file. What stands in the list is judged by `appraisal-ima`.
 */
import { blocked, type CheckDefinition, fail, pass, unknown } from '../outcome.ts';

export const imaList: CheckDefinition = {
  id: 'ima-list',
  level: 3,
  run: ({ format, ima: { list } }) => {
    if (!format.ok) return blocked(format);
    switch (list.state) {
      case 'none':
        return pass('No IMA list is given.');
      case 'detached':
        return unknown(`The IMA list is the file ${list.sha256}, which is not beside the bundle.`);
      case 'unread':
        return fail(`The IMA list cannot be used: ${list.why}.`);
      case 'unproven':
        return list.quoted
          ? unknown(`cannot be judged: ${list.why}`)
          : fail('An IMA list is given, and the quote does not cover PCR 10.');
      case 'stray':
        return fail(
          `The ${list.entries} entries of the IMA list lead to another value of PCR 10 than the quoted one.`,
          list.wanted,
          list.value,
        );
      default: {
        const { entries, violations, more } = list;
        const rest = more ? ' The list goes on behind them, which nothing proves.' : '';
        const odd = violations === 0 ? '' : ` ${violations} of them are violations.`;
        return pass(`The first ${entries} entries of the IMA list lead to the quoted PCR 10.${odd}${rest}`);
      }
    }
  },
};
