/** Parsers that have no fuzzing beside their own tests: what comes from other machines, other programs and the disk. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { parse as parseToml, stringify } from 'smol-toml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllowList } from '../../src/ca/allowlist.ts';
import { openRootKey } from '../../src/ca/keyfile.ts';
import { readRegistry } from '../../src/ca/registry.ts';
import { keepCursor, readCursor } from '../../src/cli/audit/cursor.ts';
import { parseManifest } from '../../src/cli/keeping/manifest.ts';
import { readSeries } from '../../src/cli/top.ts';
import { openSpool } from '../../src/client/spool.ts';
import { toBase64, utf8 } from '../../src/core/bytes.ts';
import { jcs } from '../../src/core/json.ts';
import { completeConfig, DEFAULTS, loadConfig } from '../../src/daemon/config.ts';
import { readHint } from '../../src/daemon/govern/hint.ts';
import { openLateJournal } from '../../src/daemon/govern/late.ts';
import { compile } from '../../src/daemon/govern/policies.ts';
import { createPcrFiles } from '../../src/daemon/pcrfile.ts';
import { parseEnrolmentFacts } from '../../src/evidence/akprofile.ts';
import { parseEnvelope, policyOf } from '../../src/evidence/appraisal.ts';
import { parseCcel } from '../../src/evidence/eventlog/ccel.ts';
import { parseEnvelope as parseRecordEnvelope } from '../../src/evidence/export/envelope.ts';
import { parseSigstore } from '../../src/evidence/export/sigstore.ts';
import { readJson } from '../../src/evidence/otlp/json.ts';
import { readProtobuf } from '../../src/evidence/otlp/protobuf.ts';
import { parsePcs } from '../../src/evidence/tee/pcs.ts';
import { parseTdReport } from '../../src/evidence/tee/tdreport.ts';
import { loadForwardConfig } from '../../src/forward/config.ts';
import { parseVkey } from '../../src/log/keys.ts';
import { parseOrigin } from '../../src/log/origin.ts';
import { parseTilePath } from '../../src/log/tile.ts';
import { namesIn } from '../../src/measure/account.ts';
import { cgroupPath, systemdUnit } from '../../src/measure/cgroup.ts';
import { containerOf } from '../../src/measure/container.ts';
import { startTicks } from '../../src/measure/process.ts';
import { readNsmDocument } from '../../src/measure/tee/nsm.ts';
import { readRotation } from '../../src/tpm/rotation.ts';
import type { AuditCursor } from '../../src/verify/audit/cursor.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { bytesLike, jsonLike, readOrRefused } from './hostile.ts';
import { fileRuns, runs } from './runs.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-fuzz-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
/** A file with this content. */
function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
}

describe('texts', () => {
  const id = 'a1'.repeat(32);
  const key =
    'demo/host-1/1+ef59b667+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDLbw1jKsS7Say7U4era8XLu5WoXbxNgoLrcPv4oMFnYTmi7XiX+i7trxOlAUcMyYYExy4EA3KkJfG+u/cHc4PI=';
  const parsers: Readonly<Record<string, readonly [readonly string[], (text: string) => unknown]>> = {
    'a list of hosts that are allowed': [
      [`demo/host-1 certified\n# all\ndemo/* certified\nf/h ${id}\n`],
      parseAllowList,
    ],
    'a verifier key': [[key], parseVkey],
    'an origin': [['demo/host-1/1', 'f.a/h-2/00112233445566778899aabbccddeeff'], parseOrigin],
    'a path of a tile': [['tile/0/x001/234.p/7', 'tile/entries/000', 'tile/8/255'], parseTilePath],
    'a control group': [['0::/system.slice/a@b.service\n1:name=systemd:/x\n'], cgroupPath],
    'a unit in a control group': [
      ['/user.slice/user-0.slice/_a.scope/x', '/system.slice/a.service'],
      systemdUnit,
    ],
    'a container in a control group': [
      [`/kubepods/burstable/pod01234567-89ab-cdef-0123-456789abcdef/${id}`, `/docker-${id}.scope`],
      containerOf,
    ],
    'names of accounts': [['root:x:0:0:root:/root:/bin/bash\nadm:x:4:syslog\n'], (t) => namesIn(t, [0, 4])],
    'a start time': [[readFileSync('/proc/self/stat', 'utf8')], startTicks],
    metrics: [['# HELP a b\nattestd_health{answer="alive"} 1\nattestd_x 1e9\n'], readSeries],
  };
  test.each(Object.entries(parsers))('%s', (_, [valid, parse]) => {
    for (const v of valid) expect(() => parse(v)).not.toThrow();
    fc.assert(
      fc.property(
        bytesLike(...valid),
        (bytes) => void readOrRefused(() => parse(Buffer.from(bytes).toString())),
      ),
      { numRuns: runs(1000) },
    );
  });
});

describe('configurations', () => {
  const daemon = readFileSync('systemd/attestd.toml', 'utf8');
  const forward = `${readFileSync('systemd/attestd-forward.toml', 'utf8')}
[[witness]]
name = "w"
url = "https://w.example"
vkey = "w+00000000+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
[[tsa]]
name = "t"
url = "https://t.example"
root = "/dev/null"
`;
  test('of the daemon: any text is read or refused as a configuration', () => {
    fc.assert(
      fc.property(bytesLike(daemon), (bytes) => {
        const read = readOrRefused(() => loadConfig(file('attestd.toml', bytes)));
        // What is read has every key, of the type that its default has.
        if (read === undefined) return;
        for (const [name, section] of Object.entries(DEFAULTS))
          expect(typeof read[name as keyof typeof read]).toBe(typeof section);
      }),
      { numRuns: fileRuns(300) },
    );
  });
  test('of the daemon: any value in it is taken or named', () => {
    const filled = { fleet: 'f', host: 'h', ...DEFAULTS };
    fc.assert(
      fc.property(jsonLike(filled), (text) => void readOrRefused(() => completeConfig(JSON.parse(text)))),
      { numRuns: runs(1000) },
    );
  });
  test('of attestd-forward', () => {
    fc.assert(
      fc.property(
        bytesLike(forward),
        (bytes) => void readOrRefused(() => loadForwardConfig(file('f.toml', bytes))),
      ),
      { numRuns: fileRuns(300) },
    );
    fc.assert(
      fc.property(jsonLike(parseToml(forward)), (text) => {
        let toml: string;
        try {
          toml = stringify(JSON.parse(text));
        } catch {
          // No TOML says this.
          return;
        }
        readOrRefused(() => loadForwardConfig(file('f.toml', toml), dir));
      }),
      { numRuns: fileRuns(300) },
    );
  });
});

describe('what lies in the state directory', () => {
  test('the word of the last run of the gate never leads beyond the log', () => {
    const valid = { log: 'f/h/1', from: 7, policy: '01KAE3X5V0N9S8QX1Z7M2R4B6C' };
    fc.assert(
      fc.property(fc.oneof(jsonLike(valid), bytesLike(JSON.stringify(valid))), (content) => {
        const { from } = readHint(file('governed.json', content), 'f/h/1', 100);
        expect(Number.isInteger(from) && from >= 0 && from <= 100).toBe(true);
      }),
      { numRuns: fileRuns(500) },
    );
  });
  test('decisions that wait: every line is a decision, torn, or kept as damaged', () => {
    const line = JSON.stringify({ at: 1, uid: 7, body: { reason: 'POLICY_DENY', detail: 'x' } });
    const journal = (text: string) => `${' '.repeat(14)}0\n${text}`;
    fc.assert(
      fc.property(bytesLike(journal(`${line}\n${line}\n`), journal(`${line}\n\0\0\0`)), (bytes) => {
        const path = file('decisions.late', bytes);
        const late = openLateJournal(
          path,
          (e) => {
            throw e;
          },
          () => undefined,
        );
        for (const d of late.waiting().decisions)
          expect([typeof d.at, typeof d.uid, typeof d.body]).toEqual(['number', 'number', 'object']);
        const before = late.waiting().decisions.length;
        late.keep({ at: 2, uid: 8, body: { reason: 'POLICY_DENY', detail: 'y' } as never });
        expect(late.waiting().decisions.length).toBe(before + 1);
      }),
      { numRuns: fileRuns(300) },
    );
  });
  test('keys that wait', async () => {
    const blob = { id: '01KAE3X5V0N9S8QX1Z7M2R4B6C', public: 'AAAA', private: 'AAAA', auth: 'AAAA' };
    const valid = { v: 1, state: 'made', reason: 'r', recordKey: blob };
    await fc.assert(
      fc.asyncProperty(fc.oneof(jsonLike(valid), bytesLike(JSON.stringify(valid))), async (content) => {
        file('rotation.json', content);
        const read = await readRotation(dir).catch((e: unknown) =>
          readOrRefused(() => {
            throw e;
          }),
        );
        if (read !== undefined) expect(read.v).toBe(1);
      }),
      { numRuns: fileRuns(300) },
    );
  });
  test('PCR values and where they moved', () => {
    fc.assert(
      fc.property(bytesLike(new Uint8Array(192), 'a'.repeat(96)), (bytes) => {
        mkdirSync(join(dir, 'pcrs'), { recursive: true });
        file('pcrs/moved', bytes);
        expect(createPcrFiles(join(dir, 'pcrs')).find(new Uint8Array(32))).toBeUndefined();
      }),
      { numRuns: fileRuns(300) },
    );
  });
  test('the registry of an authority, and its root key', async () => {
    const line = jcs({ prev: '0'.repeat(64), time: '2026-01-01T00:00:00.000Z', event: 'created', name: 'x' });
    mkdirSync(join(dir, 'ca'), { recursive: true });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          jsonLike(JSON.parse(line)).map((t) => utf8(`${t}\n`)),
          bytesLike(`${line}\n`),
        ),
        async (bytes) => {
          file('ca/registry.jsonl', bytes);
          await refusedLater(readRegistry(join(dir, 'ca')));
        },
      ),
      { numRuns: fileRuns(200) },
    );
    const pem =
      '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n';
    await fc.assert(
      fc.asyncProperty(bytesLike(pem), async (bytes) => {
        file('ca/root-key.UNENCRYPTED.pem', bytes);
        await refusedLater(openRootKey(join(dir, 'ca')));
      }),
      { numRuns: fileRuns(200) },
    );
  });
});
const refusedLater = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (e: unknown) =>
      void readOrRefused(() => {
        throw e;
      }),
  );

test('a file of the spool of a client', () => {
  const line = JSON.stringify({ v: 1, key: 'k', body: '{"phase":"attempted"}', hole: 'ab'.repeat(32) });
  const spool = openSpool({ directory: join(dir, 'spool') }, {});
  mkdirSync(spool.directory, { mode: 0o700 });
  fc.assert(
    fc.property(
      fc.oneof(
        bytesLike(`${line}\n${line}\n`),
        jsonLike(JSON.parse(line)).map((t) => utf8(`${t}\n`)),
      ),
      (bytes) => {
        const name = '1234567890123-000000-1-0123456789abcdef.spool';
        file(`spool/${name}`, bytes);
        for (const l of readOrRefused(() => spool.read(name)) ?? [])
          expect([typeof l.key, typeof l.body]).toEqual(['string', 'string']);
      },
    ),
    { numRuns: fileRuns(500) },
  );
});

describe('spans', () => {
  const field = (number: number, inner: Uint8Array | string) => {
    const bytes = Buffer.from(inner as Uint8Array);
    return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
  };
  const attribute = field(9, Buffer.concat([field(1, 'tool.name'), field(2, field(1, 'search'))]));
  const list = field(9, Buffer.concat([field(1, 'list'), field(2, field(5, field(1, field(1, 'a'))))]));
  const span = Buffer.concat([
    field(1, Buffer.alloc(16, 7)),
    field(2, Buffer.alloc(8, 9)),
    field(5, 'work'),
    attribute,
    list,
  ]);
  const protobuf = field(1, field(2, field(2, span)));
  const json = {
    resourceSpans: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 's' } }] },
        scopeSpans: [
          {
            spans: [
              {
                traceId: '07'.repeat(16),
                spanId: '09'.repeat(8),
                name: 'work',
                kind: 1,
                startTimeUnixNano: '1700000000000000000',
                endTimeUnixNano: '1700000000000000001',
                status: { code: 1 },
                attributes: [
                  { key: 'a', value: { intValue: '7' } },
                  {
                    key: 'b',
                    value: { arrayValue: { values: [{ doubleValue: 1.5 }, { boolValue: true }] } },
                  },
                  {
                    key: 'c',
                    value: { kvlistValue: { values: [{ key: 'd', value: { bytesValue: 'AAAA' } }] } },
                  },
                ],
              },
            ],
          },
        ],
      },
    ],
  };
  test('of protobuf', () => {
    expect(readProtobuf(protobuf)[0]?.spans[0]).toMatchObject({ name: 'work' });
    fc.assert(
      fc.property(bytesLike(protobuf), (bytes) => void readOrRefused(() => readProtobuf(bytes))),
      { numRuns: runs(2000) },
    );
  });
  test('of JSON', () => {
    expect(readJson(utf8(JSON.stringify(json)))[0]?.spans[0]).toMatchObject({ name: 'work' });
    fc.assert(
      fc.property(
        fc.oneof(jsonLike(json).map(utf8), bytesLike(JSON.stringify(json))),
        (bytes) => void readOrRefused(() => readJson(bytes)),
      ),
      { numRuns: runs(2000) },
    );
  });
});

describe('what an operator carries', () => {
  test('the cursor of an audit is what was kept, or none', () => {
    const path = join(dir, 'cursor');
    const place = { place: { ordinal: 1, offset: 1820 }, size: 7, chain: new Uint8Array(32).fill(3) };
    const audit = { schema: 'attestd.dev/audit-cursor/v2', findings: [] } as unknown as AuditCursor;
    keepCursor(path, 'f/h/1', place, audit);
    const kept = readFileSync(path, 'utf8');
    fc.assert(
      fc.property(fc.oneof(jsonLike(JSON.parse(kept)), bytesLike(kept)), (damaged) => {
        writeFileSync(path, damaged);
        const read = readOrRefused(() => readCursor(path, 'f/h/1'));
        if (read !== undefined) expect(read).toEqual({ place, audit });
      }),
      { numRuns: fileRuns(500) },
    );
  });
  test('the list of a backup', () => {
    const digest = 'ab'.repeat(32);
    const valid = {
      schema: 'attestd.dev/backup/v1',
      made: '2026-01-01T00:00:00.000Z',
      version: '0.1.0',
      config: digest,
      current: 'f/h/1',
      logs: [{ origin: 'f/h/1', size: 1, seal: { size: 1, seq: 1, digest } }],
      openings: false,
      keys: false,
      files: [{ path: 'log/1/checkpoint', bytes: 1, sha256: digest }],
    };
    expect(parseManifest(utf8(jcs(valid)))).toEqual(valid);
    fc.assert(
      fc.property(
        fc.oneof(jsonLike(valid).map(utf8), bytesLike(jcs(valid))),
        (bytes) => void readOrRefused(() => parseManifest(bytes)),
      ),
      { numRuns: runs(1000) },
    );
  });
  test('policies and their entities', async () => {
    const entities = [{ uid: { type: 'Caller', id: 'uid:7' }, attrs: {}, parents: [] }];
    const cedar = 'permit (principal, action, resource) when { context.health.sealed };\n';
    await fc.assert(
      fc.asyncProperty(bytesLike(cedar), jsonLike(entities), async (policy, stored) => {
        const files = [
          { name: 'a.cedar', bytes: policy },
          { name: 'entities.json', bytes: utf8(stored) },
        ];
        await refusedLater(Promise.resolve().then(() => compile(files)));
      }),
      { numRuns: Math.ceil(runs(1000) / 10) },
    );
  });
});

describe('files that others send', () => {
  const signatures = [{ keyid: 'ab'.repeat(32), sig: toBase64(new Uint8Array(64)) }];
  const envelope = { payload: toBase64(utf8('{}')), payloadType: 'application/vnd.in-toto+json', signatures };
  const readers: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
    'an envelope of a record': parseRecordEnvelope,
    'an envelope of an appraisal policy': (b) => policyOf(parseEnvelope(b)),
    'a Sigstore bundle': parseSigstore,
    'a trust file': parseTrust,
  };
  const bundle = {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { publicKey: { hint: 'x' }, tlogEntries: [] },
    dsseEnvelope: envelope,
  };
  const trust = {
    schema: 'attestd.dev/trust/v1',
    roots: [],
    minimumLevel: 3,
    pcrs: [],
    acceptHostTime: true,
    crls: [],
    revocation: 'required',
    witnesses: { keys: ['w+00000000+BAAA'], required: 1 },
    timestamps: { authorities: [{ name: 't', root: 'AAAA' }], required: 1, clockRate: 1 },
    tee: { required: true, roots: [], measurements: [], sevSnp: { minimumTcb: {} }, tdx: {} },
  };
  test.each(Object.entries(readers))('%s', (_, read) => {
    const any = fc.oneof(
      jsonLike(envelope, bundle, trust).map(utf8),
      bytesLike(...[envelope, bundle, trust].map((v) => JSON.stringify(v))),
    );
    fc.assert(
      fc.property(any, (bytes) => void readOrRefused(() => read(bytes))),
      { numRuns: runs(1000) },
    );
  });
});

/** What the module refuses is told by its reader as a fault of the machine, which a boot entry calls unreadable. */
const nsmAnswers = (bytes: Uint8Array): unknown => {
  try {
    return readNsmDocument(() => bytes, new Uint8Array(1));
  } catch (e) {
    if ((e as Error).message.startsWith('the security module gives no document')) return undefined;
    throw e;
  }
};

describe('structures of machines', () => {
  const ccel = new Uint8Array(readFileSync('test/vectors/tcg/CCEL.bin'));
  const pcs = `{"tcbInfo":{"id":"TDX","version":3},"signature":"${'ab'.repeat(64)}"}`;
  const readers: Readonly<
    Record<string, readonly [readonly (string | Uint8Array)[], (bytes: Uint8Array) => unknown]>
  > = {
    'the table of a confidential machine': [[ccel], parseCcel],
    'a TD report': [[new Uint8Array(584), new Uint8Array(648)], parseTdReport],
    'tcbInfo of PCS': [[pcs], (b) => parsePcs(b, 'tcbInfo')],
    'the identity of an enclave': [
      [pcs.replace('tcbInfo', 'enclaveIdentity')],
      (b) => parsePcs(b, 'enclaveIdentity'),
    ],
    'the answer of the Nitro module': [
      [Buffer.from('a16b4174746573746174696f6ea168646f63756d656e7443010203', 'hex')],
      nsmAnswers,
    ],
    'facts of an enrolment': [
      [Buffer.from('3027020101180f32303236303130313030303030305a020100020100020100010100040100', 'hex')],
      parseEnrolmentFacts,
    ],
  };
  test.each(Object.entries(readers))('%s', (_, [valid, read]) => {
    fc.assert(
      fc.property(bytesLike(...valid), (bytes) => void readOrRefused(() => read(bytes))),
      { numRuns: runs(1000) },
    );
  });
});
