/** What is done to a run's files while faults are injected, and what must be there afterwards. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  bestOf,
  type CheckpointInput,
  type CheckpointPolicy,
  latestCheckpoint,
  listCheckpoints,
  loadCheckpoint,
  openCheckpoints,
} from '../../src/run/checkpoints.js';
import { openLines } from '../../src/run/lines.js';
import { lockRun } from '../../src/run/lock.js';
import { cutLog } from '../../src/run/log.js';
import type { Tensor } from '../../src/run/safetensors.js';
import type { Fault } from '../support/faulty-files.js';

export interface Scenario {
  readonly name: string;
  prepare(folder: string): Attempt;
  /** Whether a process that ends in the middle can be told by the same process, which lives on. */
  readonly survivesCrash: boolean;
}

/** Complaints are undefined if nothing is wrong. */
export interface Attempt {
  act(): unknown;
  /** The same once more, by this process or by one that begins anew. Default: `act`. */
  again?(anew: boolean): unknown;
  /** What is wrong after `act`, however that ended, and whatever the fault. */
  lost(fault?: Fault): string | undefined;
  /** What is wrong after `act` has succeeded and the power was lost. */
  undone?(): string | undefined;
  /** What is wrong once `act` or `again` has succeeded. */
  unfinished(): string | undefined;
}

const POLICY: CheckpointPolicy = { keep: { last: 1, best: 1 }, metric: 'test.accuracy', mode: 'max' };

/** The checkpoint of a step: small, its values those of no other. */
function input(step: number, metric: number | null, temporary = false): CheckpointInput {
  const tensors = new Map<string, Tensor>([
    [
      'fc.weight',
      { dtype: 'F32', shape: [2, 3], data: Float32Array.from({ length: 6 }, (_, i) => step + i) },
    ],
    ['fc.bias', { dtype: 'F32', shape: [3], data: Float32Array.of(step, -step, metric ?? 0.5) }],
  ]);
  return { step, epoch: 1, tensors, metadata: { note: `step ${step}` }, metric, temporary };
}

function isWhole(path: string, { step, tensors, metric }: CheckpointInput): boolean {
  const loaded = loadCheckpoint(path);
  return (
    loaded.step === step &&
    loaded.metric.value === metric &&
    [...tensors].every(([name, { data }]) => String(loaded.tensors.get(name)?.data) === String(data))
  );
}

/** Saving `next` after `before`; the folder is `opened` while faults are injected, or before. */
function saving(
  name: string,
  before: readonly CheckpointInput[],
  next: CheckpointInput,
  opened: 'before' | 'meanwhile' = 'before',
): Scenario {
  const prepare = (folder: string): Attempt => {
    const checkpoints = join(folder, 'checkpoints');
    const open = () => openCheckpoints(checkpoints, POLICY);
    for (const one of before) open().save(one);
    const inputs = [...before, next];
    let store = opened === 'before' ? open() : undefined;
    const save = () => {
      store ??= open();
      return store.save(next);
    };
    return {
      act: save,
      again: anew => {
        if (anew) store = undefined;
        return save();
      },
      lost: () => {
        const { checkpoint } = latestCheckpoint(checkpoints, { strict: true });
        const old = before.at(-1);
        if (checkpoint === undefined) return old && 'no checkpoint is left';
        const [wrong] = listCheckpoints(checkpoints).filter(
          ({ path, step, metric }) =>
            !inputs.some(one => one.step === step && one.metric === metric.value && isWhole(path, one)),
        );
        if (wrong) return `${wrong.path} holds what was never saved`;
        const isNewest = checkpoint.step === next.step || checkpoint.step === old?.step;
        return isNewest ? undefined : `the newest is that of step ${checkpoint.step}`;
      },
      undone: () =>
        listCheckpoints(checkpoints).at(-1)?.step === next.step
          ? undefined
          : 'the saved one is not the newest',
      unfinished: () => {
        const entries = listCheckpoints(checkpoints);
        if (entries.at(-1)?.step !== next.step) return 'the saved one is not the newest';
        const bestValue = Math.max(...inputs.map(({ metric }) => metric ?? Number.NEGATIVE_INFINITY));
        if (bestOf(entries)?.metric.value !== bestValue) return 'the best one is not there';
        const wanted = new Set([...entries.map(({ path }) => path), join(checkpoints, 'index.json')]);
        const more = readdirSync(checkpoints).filter(one => !wanted.has(join(checkpoints, one)));
        if (more.length > 0) return `${more} is left`;
        const kept = new Set(entries.map(({ step }) => step));
        const allowed = new Set([next.step, inputs.find(({ metric }) => metric === bestValue)?.step]);
        if ([...kept].some(step => !allowed.has(step))) return `steps ${[...kept]} are kept`;
        const index = JSON.parse(readFileSync(join(checkpoints, 'index.json'), 'utf8'));
        const indexed = index.checkpoints.map(({ step }: { step: number }) => step);
        return String(indexed) === String([...kept]) ? undefined : `the index names steps ${indexed}`;
      },
    };
  };
  return { name, prepare, survivesCrash: true };
}

/** The newest of three is damaged, and set aside. */
const settingAside: Scenario = {
  name: 'a damaged newest checkpoint is set aside',
  survivesCrash: true,
  prepare: folder => {
    const store = openCheckpoints(folder, { ...POLICY, keep: { last: 3, best: 1 } });
    const paths = [100, 200, 300].map(step => store.save(input(step, step / 1000)).path);
    const bytes = paths.map(path => readFileSync(path));
    const [first, second, damaged] = paths;
    bytes[2][bytes[2].length - 3] ^= 4;
    writeFileSync(damaged, bytes[2]);
    const lost = (fault?: Fault) => {
      const gone = paths.find((path, i) => {
        const found = [path, `${path}.damaged`].find(one => existsSync(one));
        return found === undefined || !readFileSync(found).equals(bytes[i]);
      });
      if (gone) return `${gone} is gone`;
      // only what the disk does not give may be taken for damaged
      const aside = [first, second].find(path => !existsSync(path));
      return aside && fault !== 'EIO' ? `${aside} is set aside` : undefined;
    };
    return {
      act: () => latestCheckpoint(folder, { strict: false }).setAside(),
      lost,
      unfinished: () => (existsSync(damaged) ? 'the damaged one is in its place' : undefined),
    };
  },
};

const line = (seq: number, step: number) =>
  `${JSON.stringify({ level: 'info', seq, event: 'train.step', step })}\n`;
const LOG_LINES = Array.from({ length: 6 }, (_, i) => line(i, i));

/** Every line of the log is in it or beside it, whatever happens. */
const cutting: Scenario = {
  name: 'a log is cut where a run goes on',
  survivesCrash: true,
  prepare: folder => {
    const log = join(folder, 'log.jsonl');
    writeFileSync(log, `${LOG_LINES.join('')}{"torn`);
    const isReplaced = (name: string) => name.startsWith('log.replaced');
    return {
      act: () => cutLog(log, { step: 3, evaluationIsDue: false }),
      lost: () => {
        const text = readFileSync(log, 'utf8');
        const aside = readdirSync(folder).filter(isReplaced);
        const texts = [text, ...aside.map(name => readFileSync(join(folder, name), 'utf8'))];
        const gone = [...LOG_LINES, '{"torn'].find(one => !texts.some(kept => kept.includes(one)));
        return gone && `the line ${gone.trimEnd()} is in none of ${aside}`;
      },
      unfinished: () => {
        const text = readFileSync(log, 'utf8');
        const names = readdirSync(folder).filter(name => name !== 'log.jsonl' && !isReplaced(name));
        // one that was left by a process that is gone; nobody reads it
        const litter = names.filter(name => !name.startsWith('.tmp-'));
        if (litter.length > 0) return `${litter} is left`;
        return text === LOG_LINES.slice(0, 4).join('') ? undefined : `the log is ${text}`;
      },
    };
  },
};

/** The lines of a log are whole, each once. */
const logging: Scenario = {
  name: 'a line is written to the log',
  survivesCrash: true,
  prepare: folder => {
    const log = join(folder, 'log.jsonl');
    const file = openLines(log);
    const [first, second] = LOG_LINES;
    file.write(first);
    file.close();
    let open: ReturnType<typeof openLines> | undefined;
    const write = () => {
      open ??= openLines(log);
      open.write(second);
    };
    return {
      act: write,
      again: anew => {
        if (anew) {
          open = undefined;
          cutLog(log, { step: 0, evaluationIsDue: false });
        }
        write();
      },
      lost: () => (readFileSync(log, 'utf8').startsWith(first) ? undefined : 'the first line is gone'),
      unfinished: () => {
        const text = readFileSync(log, 'utf8');
        return text === first + second ? undefined : `the log is ${JSON.stringify(text)}`;
      },
    };
  },
};

/** The lock of a process that is no more is taken over. */
const locking: Scenario = {
  name: 'a stale lock is taken over',
  survivesCrash: false,
  prepare: folder => {
    const lock = join(folder, 'run.lock');
    writeFileSync(lock, JSON.stringify({ pid: 2 ** 22 + 1, host: 'gone' }));
    let release: (() => void) | undefined;
    const act = () => {
      release ??= lockRun(lock);
      release();
    };
    return {
      act,
      again: anew => {
        // another process has nothing of the first one's to release
        if (anew) release = undefined;
        act();
      },
      lost: () => undefined,
      unfinished: () => {
        const names = readdirSync(folder);
        return names.length === 0 ? undefined : `${names} is left`;
      },
    };
  },
};

export const SCENARIOS: readonly Scenario[] = [
  saving('the first checkpoint', [], input(100, 0.5)),
  saving('the first checkpoint, its folder made', [], input(100, 0.5), 'meanwhile'),
  saving('a checkpoint after others', [input(100, 0.9), input(200, 0.5)], input(300, 0.7)),
  saving('a better checkpoint, two go', [input(100, 0.5), input(200, 0.4)], input(300, 0.7)),
  saving('a folder opened, a checkpoint', [input(100, 0.9), input(200, 0.5)], input(300, 0.7), 'meanwhile'),
  saving('the same step with its metric', [input(100, 0.5), input(200, null)], input(200, 0.7)),
  saving('after one that gives way', [input(100, 0.5), input(150, null, true)], input(200, 0.3)),
  settingAside,
  cutting,
  logging,
  locking,
];
