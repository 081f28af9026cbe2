/**
 * A link in the place of each file of a run: it is replaced, refused or read, but what it leads to
 * is not written.
 */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { CheckpointStore } from '../../src/run/checkpoints.js';
import { RunDirectory } from '../../src/run/directory.js';
import { writeJsonAtomic } from '../../src/run/files.js';
import { latestCheckpoint } from '../../src/run/latest-checkpoint.js';
import { LogFile } from '../../src/run/lines.js';
import { lockRun } from '../../src/run/locks/run-lock.js';
import { cutLog } from '../../src/run/log.js';
import type { Manifest } from '../../src/run/manifest.js';
import { UserError } from '../../src/util/errors.js';
import type { HostileCase, Place } from './hostile.js';

/** Every name that a run writes to, and the folders on the way. */
const POSITIONS = [
  'config.resolved.yaml',
  `.tmp-${process.pid}-config.resolved.yaml`,
  'config.resolved.yaml.next',
  `.tmp-${process.pid}-config.resolved.yaml.next`,
  'manifest.json',
  `.tmp-${process.pid}-manifest.json`,
  'summary.json',
  `.tmp-${process.pid}-summary.json`,
  'log.jsonl',
  `.tmp-${process.pid}-log.jsonl`,
  'log.replaced-1.jsonl',
  `.tmp-${process.pid}-log.replaced-1.jsonl`,
  'run.lock',
  `run.lock.${process.pid}`,
  `run.lock.stale-${process.pid}`,
  'checkpoints',
  'checkpoints/step-00000001.safetensors',
  `checkpoints/.tmp-${process.pid}-step-00000001.safetensors`,
  'checkpoints/.tmp-1-step-00000001.safetensors',
  'checkpoints/index.json',
  `checkpoints/.tmp-${process.pid}-index.json`,
  'checkpoints/step-00000000.safetensors',
  'checkpoints/step-00000000.safetensors.damaged',
] as const;

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
export function linkCases(): HostileCase[] {
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
  attempted(() => RunDirectory.open(path).changeConfig('b: 2\n', {} as Manifest));
  attempted(() => latestCheckpoint(files.checkpoints, { strict: false }).setAside());
  attempted(() => cutLog(files.log, { step: 1, evaluationIsDue: false }));
  attempted(() => {
    const log = LogFile.open(files.log);
    log.write('{"event":"run.end","seq":0}\n');
    log.close();
  });
  attempted(() => {
    const store = CheckpointStore.open(files.checkpoints, {
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
