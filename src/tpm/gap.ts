/**
 * The context gap. Behind a resource manager every command saves and loads the sessions of its user, and a TPM counts the
 * saves: one session that somebody started and left alone cannot be more than 65,535 of them old (TPM 2.0 Part 1 §30.5).
 * The kernel's manager does not refresh it; from then on it ends every command of everybody who has a session with EFAULT,
 * for as long as that somebody sleeps. So such sessions are flushed: nobody's work in this state, and theirs can be begun
 * again by whoever finds it gone.
 */
import { faultOf, isNative } from './fault.ts';
import { listSavedSessions } from './property.ts';
import type { Work } from './work.ts';

/** Whether a session can be started; false where the context breaks on it. @throws what else the TPM says */
export async function sessionsWork(w: Work): Promise<boolean> {
  try {
    w.keep(await w.ctx.startSession({ type: 'hmac' }, w.plain()));
    return true;
  } catch (e) {
    if (isNative(e) && faultOf(e) === 'poisoned') return false;
    throw e;
  }
}

/** Flushes every session that is saved outside of the TPM, whoever's it is. @returns how many there were */
export async function flushSavedSessions(w: Work): Promise<number> {
  const handles = await listSavedSessions(w);
  for (const handle of handles) await w.ctx.flushUnowned(handle, w.plain());
  return handles.length;
}
