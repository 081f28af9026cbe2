/**
 * Names and links that lead elsewhere: whatever is done with them, nothing outside the output root
 * is written.
 */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { loadExperiment } from '../../src/config/index.js';
import { openDataset } from '../../src/data/index.js';
import { ParameterLayout } from '../../src/math/model/parameters.js';
import {
  latestCheckpoint,
  loadCheckpoint,
  openCheckpoints,
  resolveCheckpoint,
} from '../../src/run/checkpoints.js';
import { RunDirectory } from '../../src/run/directory.js';
import { writeJsonAtomic } from '../../src/run/files.js';
import { openLines } from '../../src/run/lines.js';
import { lockRun } from '../../src/run/lock.js';
import { cutLog } from '../../src/run/log.js';
import type { Manifest } from '../../src/run/manifest.js';
import type { Tensor } from '../../src/run/safetensors.js';
import { loadWeights } from '../../src/train/weights.js';
import { EXIT, UserError } from '../../src/util/errors.js';
import { modelOf } from '../support/models.js';
import { recordedWrites } from '../support/recorded-writes.js';
import { zipArchive } from '../support/zip.js';
import type { Figures } from './figures.js';

/** A fresh pair of folders. */
interface Place {
  /** Where may be written. */
  readonly root: string;
  /** Beside it, with files that must stay as they are. */
  readonly outside: string;
}

export interface HostileCase {
  readonly name: string;
  /** Sets the trap. */
  prepare?(place: Place): void;
  /** What a run does; it may throw user errors. */
  act(place: Place): unknown;
}

/** Gives also how many writes were tried, all told. */
export async function tryHostile(
  cases: readonly HostileCase[],
  folder: string,
): Promise<Figures & { readonly writes: number }> {
  const failures: string[] = [];
  let writes = 0;
  for (const [number, one] of cases.entries()) {
    const place = makePlace(join(folder, String(number)));
    one.prepare?.(place);
    const before = fingerprint(place.outside);
    let complaint: string | undefined;
    const written = await recordedWrites(async () => {
      complaint = await attempt(one, place);
    });
    writes += written.length;
    const [escaped] = written.filter(path => path !== place.root && !path.startsWith(place.root + sep));
    if (escaped !== undefined) complaint = `writes to ${escaped}`;
    if (fingerprint(place.outside) !== before) complaint = 'changes what lies outside';
    if (complaint !== undefined) failures.push(`${one.name}: ${complaint}`);
    rmSync(join(folder, String(number)), { recursive: true });
  }
  const note = `${writes} writes, all inside`;
  return { what: 'names, paths, links', cases: cases.length, failures, writes, note };
}

/** What came out that is no user's error. */
async function attempt(one: HostileCase, place: Place): Promise<string | undefined> {
  try {
    await one.act(place);
    return undefined;
  } catch (error) {
    // a link in the way of a write is a file that cannot be written
    const answers: readonly number[] = [EXIT.usage, EXIT.damaged, EXIT.unexpected];
    if (error instanceof UserError && answers.includes(error.exitCode)) return undefined;
    return String(error instanceof Error ? error.stack : error);
  }
}

function makePlace(base: string): Place {
  const place = { root: join(base, 'root'), outside: join(base, 'outside') };
  mkdirSync(place.root, { recursive: true });
  mkdirSync(join(place.outside, 'folder'), { recursive: true });
  writeFileSync(join(place.outside, 'file'), 'must stay');
  writeFileSync(join(place.outside, 'folder', 'step-00000009.safetensors'), 'no checkpoint');
  writeFileSync(join(place.outside, 'folder', '.tmp-1-file'), 'must stay too');
  return place;
}

/** Names, links and contents of all that is below `folder`. */
function fingerprint(folder: string): string {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return JSON.stringify(
    names.map(name => {
      const path = join(folder, name);
      const info = lstatSync(path);
      if (info.isSymbolicLink()) return [name, readlinkSync(path)];
      return [name, info.isFile() ? readFileSync(path, 'latin1') : null];
    }),
  );
}

const LEADING_OUT = [
  ...'../../x ../outside/file ../../outside/file ../../outside/folder/step-00000009.safetensors'.split(' '),
  ...'step-00000001.safetensors/../../../outside/file /etc/passwd /tmp/cellrun-hostile . ..'.split(' '),
  ...'./step-00000001.safetensors __proto__ step-1.safetensors ..\\..\\outside\\file'.split(' '),
  ...['', 'step-00000001.safetensors\u0000', 'step-99999999999999999999.safetensors'],
];

/** `latest` keeps one, so that each save removes what it takes for an older one. */
function savedSteps(folder: string, ...steps: readonly number[]): void {
  const store = openCheckpoints(folder, { keep: { last: 1, best: 0 }, metric: 'm', mode: 'max' });
  for (const step of steps) {
    const tensors = new Map<string, Tensor>([
      ['w', { dtype: 'F32', shape: [1], data: Float32Array.of(step) }],
    ]);
    store.save({ step, epoch: 0, tensors, metadata: {}, metric: null, temporary: false });
  }
}

/** An index that names what lies elsewhere is neither read by nor cleaned up by. */
function indexCases(): HostileCase[] {
  const fields = ['last', 'best', 'file', 'all'] as const;
  return LEADING_OUT.flatMap(entry =>
    fields.map(
      (field): HostileCase => ({
        name: `index.json, ${field}: ${JSON.stringify(entry)}`,
        prepare: ({ root }) => {
          savedSteps(root, 1);
          const path = join(root, 'index.json');
          const index = JSON.parse(readFileSync(path, 'utf8'));
          if (field !== 'file') index.last = field === 'best' ? index.last : entry;
          if (field === 'best' || field === 'all') index.best = entry;
          if (field === 'file' || field === 'all') index.checkpoints[0].file = entry;
          writeFileSync(path, JSON.stringify(index));
        },
        act: ({ root }) => {
          latestCheckpoint(root, { strict: false });
          loadCheckpoint(resolveCheckpoint(root, 'last'));
          savedSteps(root, 2, 3);
        },
      }),
    ),
  );
}

/** Nothing is unpacked to the disk, whatever a member is called. */
function zipCases(): HostileCase[] {
  return LEADING_OUT.flatMap(name =>
    [0, 8].map(
      (method): HostileCase => ({
        name: `npz with a member ${JSON.stringify(name)}`,
        prepare: ({ root }) => {
          const member = { name: `${name}.npy`, content: Buffer.from('\x93NUMPY'), method: method as 0 | 8 };
          writeFileSync(
            join(root, 'data.npz'),
            zipArchive([member, { ...member, name }, { ...member, name: 'x.npy' }]),
          );
        },
        act: ({ root }) => openDataset({ kind: 'npz', path: join(root, 'data.npz') }, { seed: 0 }),
      }),
    ),
  );
}

const FILES = ['config.resolved.yaml', 'manifest.json', 'summary.json', 'log.jsonl', 'log.replaced-1.jsonl'];
const IN_CHECKPOINTS = ['step-00000001.safetensors', 'index.json'];
/** Every name that a run writes to, and the folders on the way. */
const POSITIONS = [
  ...[...FILES, 'config.resolved.yaml.next'].flatMap(name => [name, `.tmp-${process.pid}-${name}`]),
  ...IN_CHECKPOINTS.flatMap(name => [`checkpoints/${name}`, `checkpoints/.tmp-${process.pid}-${name}`]),
  ...['run.lock', 'checkpoints', 'checkpoints/.tmp-1-step-00000001.safetensors'],
  ...['checkpoints/step-00000000.safetensors', 'checkpoints/step-00000000.safetensors.damaged'],
];

type Target = (place: Place, link: string) => string;

const TARGETS: Readonly<Record<string, Target>> = {
  'a file': ({ outside }) => join(outside, 'file'),
  'a file, relatively': ({ outside }, link) => relative(dirname(link), join(outside, 'file')),
  'a file that is not there': ({ outside }) => join(outside, 'absent'),
  'a folder': ({ outside }) => join(outside, 'folder'),
  'a folder that is not there': ({ outside }) => join(outside, 'absent', 'deeper'),
  itself: (_, link) => link,
  'a link to a file': ({ root, outside }) => {
    const between = join(root, 'between');
    symlinkSync(join(outside, 'file'), between);
    return between;
  },
};

/** In a run of its own below the root, all that a run writes is tried. */
function linkCases(): HostileCase[] {
  return POSITIONS.flatMap(position =>
    Object.entries(TARGETS).map(([what, target]): HostileCase => {
      const run = ({ root }: Place) => join(root, 'experiment', 'run');
      return {
        name: `${position} leads to ${what}`,
        prepare: place => {
          const link = join(run(place), position);
          mkdirSync(join(run(place), 'checkpoints'), { recursive: true });
          writeFileSync(join(run(place), 'config.resolved.yaml'), 'a: 1\n');
          writeFileSync(join(run(place), 'log.jsonl'), '{"event":"train.step","seq":0,"step":9}\n');
          writeFileSync(join(run(place), 'checkpoints', 'step-00000000.safetensors'), 'damaged');
          rmSync(link, { recursive: true, force: true });
          symlinkSync(target(place, link), link);
        },
        act: place => useRun(run(place)),
      };
    }),
  );
}

function useRun(path: string): void {
  const { files } = attempted(() => RunDirectory.open(path)) ?? { files: undefined };
  if (files === undefined) return;
  const release = attempted(() => lockRun(files.lock));
  attempted(() => RunDirectory.open(path).changeConfig('b: 2\n', { digests: {} } as Manifest));
  attempted(() => latestCheckpoint(files.checkpoints, { strict: false }).setAside());
  attempted(() => cutLog(files.log, { step: 1, evaluationIsDue: false }));
  attempted(() => {
    const log = openLines(files.log);
    log.write('{"event":"run.end","seq":0}\n');
    log.close();
  });
  attempted(() => {
    const store = openCheckpoints(files.checkpoints, {
      keep: { last: 1, best: 0 },
      metric: 'm',
      mode: 'max',
    });
    for (const step of [1, 2])
      store.save({ step, epoch: 0, tensors: new Map(), metadata: {}, metric: null, temporary: false });
  });
  attempted(() => writeJsonAtomic(files.summary, {}));
  if (release) attempted(release);
}

/** What the one refuses, the next may still do. */
function attempted<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

const NAMES = [
  ...'.. . ../ ../../outside/x ../outside ./../outside a/../../outside/x ..\\outside a/..'.split(' '),
  ...'../root/../outside/x / /tmp/cellrun-hostile //outside C:\\x file:///tmp/x ~ ~/x $HOME/x'.split(' '),
  ...'%2e%2e%2foutside \\\\server\\share a/b a\\b -rf --output=x .hidden ..hidden a..b é ‥ ．．'.split(' '),
  ...'con nul.txt sweeps SWEEPS verify a:b a|b a* a? `id` $(id) ; &'.split(' '),
  ...['', ' ', 'a ', 'a\nb', 'a\u0000b', 'a\u0000/../../outside', '\u0000', 'a\u202eb', '\uD800'],
  ...['x'.repeat(101), 'x'.repeat(5000)],
];

const HASH = '0123456789abcdef'.repeat(4);

function create(name: string, outputRoot: string): RunDirectory {
  return RunDirectory.create({
    name,
    outputRoot,
    configHash: HASH,
    givenYaml: 'a: 1\n',
    resolvedYaml: 'a: 1\n',
    started: new Date(0),
  });
}

const CONFIG = {
  version: 1,
  dataset: { kind: 'npz', path: 'data.npz' },
  model: { cell: 'lstm', hidden_size: 2 },
  loss: { kind: 'cross_entropy' },
  optimizer: { kind: 'adam', learning_rate: 0.01 },
  training: { num_epochs: 1, batch_size: 2 },
};

/** By the run's directory alone; by a config that says it; by `--set`. */
function nameCases(): HostileCase[] {
  const byConfig = (name: string, set: readonly string[]) => ({
    prepare: ({ root }: Place) =>
      writeFileSync(join(root, 'config.yaml'), JSON.stringify({ ...CONFIG, name })),
    act: ({ root }: Place) =>
      create(loadExperiment(join(root, 'config.yaml'), { set }).experiment.name, root),
  });
  return NAMES.flatMap((name): HostileCase[] => {
    const shown = JSON.stringify(name.slice(0, 40));
    const deeper = name.replaceAll('..', 'up').replace(/^[/~]+/, '');
    const below = ({ root }: Place) => create('x', join(root, 'deep', 'deeper', deeper));
    return [
      // the system takes no argument with a NUL in it
      ...(name.includes('\u0000') ? [] : [{ name: `output below ${shown}`, act: below }]),
      { name: `directory ${shown}`, act: ({ root }) => create(name, root) },
      { name: `config ${shown}`, ...byConfig(name, []) },
      { name: `--set name ${shown}`, ...byConfig('x', [`name=${name}`]) },
    ];
  });
}

const layout = new ParameterLayout(modelOf({ cell: 'lstm', hidden_size: 1 }, { outputSize: 2 }));

/** What is no file, or gives no end of bytes. */
const DEVICES = [
  ...'/dev/null /dev/zero /dev/full /dev/random /dev/tty / /proc/self/mem /proc/kcore'.split(' '),
  ...'/proc/self/environ /proc/self/fd/0'.split(' '),
];

/** Reading never writes, whatever it is pointed at. */
function pathCases(): HostileCase[] {
  const paths = [...NAMES.filter(name => name.length < 4000), ...DEVICES];
  const reads: readonly (readonly [string, (path: string) => unknown])[] = [
    ['npz', path => openDataset({ kind: 'npz', path }, { seed: 0 })],
    [
      'csv',
      path =>
        openDataset(
          { kind: 'csv', path, test_fraction: 0.5, features: ['a'], target: 'y', target_kind: 'class' },
          { seed: 0 },
        ),
    ],
    ['init_from', path => loadWeights(path, layout, new Float32Array(layout.size))],
  ];
  return paths.flatMap(path =>
    reads.map(([kind, read]): HostileCase => {
      const shown = `${kind} at ${JSON.stringify(path.slice(0, 40))}`;
      return {
        name: shown,
        prepare: place => furnish(place),
        act: ({ root }) => read(path.startsWith('/') ? path : `${root}/${path}`),
      };
    }),
  );
}

/** Something at the end of some of the paths. */
function furnish({ root, outside }: Place): void {
  mkdirSync(join(root, 'a'));
  symlinkSync(join(outside, 'file'), join(root, 'é'));
  symlinkSync('-rf', join(root, '-rf'));
  symlinkSync(dirname(root), join(root, 'con'));
}

export const HOSTILE: readonly HostileCase[] = [
  ...nameCases(),
  ...pathCases(),
  ...indexCases(),
  ...zipCases(),
  ...linkCases(),
];
