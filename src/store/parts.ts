/** What a store is made of: see open.ts for how the parts come about, and each one's own file for what it keeps. */
import type { CheckpointFile } from './checkpoint.ts';
import type { Committer } from './committer.ts';
import type { Disk } from './disk.ts';
import type { Lookup } from './lookup.ts';
import type { Publisher } from './publish.ts';
import type { Recovered } from './recover.ts';
import type { Tip } from './segment.ts';
import type { Segments } from './segments.ts';
import type { Tiles } from './tiles.ts';
import type { Wal } from './wal.ts';

/** The parts that openStore puts together. */
export interface StoreParts {
  readonly disk: Disk;
  readonly tip: Tip;
  readonly recovered: Recovered;
  readonly wal: Wal;
  readonly tiles: Tiles;
  readonly lookup: Lookup;
  readonly publisher: Publisher;
  readonly segments: Segments;
  readonly committer: Committer;
  readonly checkpoint: CheckpointFile;
  readonly release: () => void;
}
