/**
 * What `attestctl ci` puts into a record beside what any command leaves: plain members of `inputs`, said by the caller
 * from what it read of the work tree. What the CI system's own environment says is `claimed`, and never here.
 */
import { type Static, Type } from 'typebox';
import { closed, Hex32, list, text } from './field.ts';
import { Artefact } from './request.ts';

/** `action.type` of a step of a CI job. */
export const CI_STEP = 'ci.step';

/** Most declared input files of a step. */
export const MAX_FILES = 256;

/** The commit that is checked out, as git says. */
export const Source = closed({
  /** URL of the remote `origin`, without what could be a secret; absent where there is none. */
  repository: Type.Optional(text(1024)),
  commit: Type.String({ pattern: '^(?:[0-9a-f]{40}|[0-9a-f]{64})$' }),
  /** Whether no tracked file differs from the commit and none is untracked. */
  clean: Type.Boolean(),
});
export type Source = Static<typeof Source>;

/** Declared input files by digest, taken before the command started. */
export const Files = list(closed({ name: Artefact.properties.name, sha256: Hex32 }), MAX_FILES);
export type Files = Static<typeof Files>;
