/**
 * The files of a run directory and of weights: safetensors, checkpoints, the log, the JSON files
 * beside them.
 */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadExperiment } from '../../src/config/index.js';
import { BatchOrder } from '../../src/data/index.js';
import { ParameterLayout } from '../../src/math/model/parameters.js';
import {
  latestCheckpoint,
  listCheckpoints,
  loadCheckpoint,
  openCheckpoints,
  resolveCheckpoint,
  STATE_KEY,
} from '../../src/run/checkpoints.js';
import type { Json } from '../../src/run/json.js';
import { lockRun } from '../../src/run/lock.js';
import { cutLog } from '../../src/run/log.js';
import {
  readSafetensors,
  readSafetensorsMetadata,
  type Tensor,
  writeSafetensors,
} from '../../src/run/safetensors.js';
import { savedState } from '../../src/train/checkpoints.js';
import { resumeExperiment, runExperiment } from '../../src/train/resume.js';
import { loadWeights, trainingTensors } from '../../src/train/weights.js';
import { EXIT } from '../../src/util/errors.js';
import type { RandomStream } from '../../src/util/random.js';
import { modelOf } from '../support/models.js';
import { mutateBytes, mutateJson, mutateText, onceIn, pick } from '../support/mutations.js';
import { silentObserver } from '../support/runs.js';
import { ensure, type FuzzTarget } from './fuzz-target.js';

const layout = new ParameterLayout(modelOf({ cell: 'lstm', hidden_size: 1 }, { outputSize: 2 }));

function weights(): Map<string, Tensor> {
  const flat = () => Float32Array.from({ length: layout.size }, (_, i) => i / 8);
  return trainingTensors(
    layout,
    { parameters: flat(), optimizerState: { exp_avg: flat() }, average: undefined },
    new Map(),
  );
}

const HEADER_VALUES: readonly Json[] = [
  'F32',
  'F64',
  'I64',
  'U8',
  'toString',
  [0],
  [2, 2],
  [2 ** 31, 2 ** 31],
  [0, 4],
  [4, 0],
  [0, 1e15],
];

/**
 * Files as other programs write them, without digests, so that every rule of the format stands
 * alone.
 */
export const safetensorsFiles: FuzzTarget = {
  name: 'safetensors',
  open: folder => {
    const file = join(folder, 'weights.safetensors');
    writeSafetensors(file, weights(), { format: 'pt' });
    const digested = readFileSync(file);
    const headerEnd = 8 + Number(digested.readBigUInt64LE(0));
    const header = JSON.parse(digested.toString('utf8', 8, headerEnd)) as Record<string, Json>;
    const { __metadata__: _, ...plain } = header;
    const data = digested.subarray(headerEnd);
    const flat = new Float32Array(layout.size);
    return random => {
      writeFileSync(file, onceIn(random, 4) ? mutateBytes(digested, random) : rebuilt(plain, data, random));
      return () => {
        const { tensors } = readSafetensors(file);
        for (const { shape, data: values } of tensors.values())
          ensure(shape.reduce((a, b) => a * b, 1) === values.length, 'shapes fit their values');
        readSafetensorsMetadata(file);
        loadWeights(file, layout, flat);
        ensure(flat.every(Number.isFinite), 'weights are finite');
      };
    };
  },
};

/** A header that says something else of the same bytes, mostly of its own length. */
function rebuilt(header: Json, data: Buffer, random: RandomStream): Buffer {
  const json = JSON.stringify(onceIn(random, 8) ? header : mutateJson(header, random, HEADER_VALUES));
  const text = Buffer.from(onceIn(random, 3) ? mutateText(json, random) : json);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(onceIn(random, 20) ? random.integer(2 ** 32) : text.length));
  const whole = Buffer.concat([length, text, onceIn(random, 8) ? mutateBytes(data, random) : data]);
  return onceIn(random, 8) ? mutateBytes(whole, random) : whole;
}

const POSITION: Json = {
  version: 1,
  step: 100,
  epoch: 1,
  metric: { name: 'test.accuracy', mode: 'max', value: 0.5 },
  temporary: false,
  metadata: {
    step_hash: 'ab12',
    batch_order: { epoch: 1, position: 2, generator: [1, -2, 3, -4], count: 40 },
    skipped_batches: 1,
    epoch: {
      number: 2,
      ended: false,
      evaluated: true,
      loss: 3.5,
      samples: 24,
      metrics: { sums: { accuracy: 12 }, predictions: 24 },
    },
    metrics: { train: { loss: 0.5 }, test: { loss: null, loss_nonfinite: 'nan', accuracy: 0.5 } },
  },
};

/** Checkpoints with right digests that say something else of where the run stands. */
export const checkpointFiles: FuzzTarget = {
  name: 'checkpoint',
  open: folder => {
    const file = join(folder, 'step-00000100.safetensors');
    const tensors = weights();
    const options = { count: 40, batchSize: 8, shuffle: true, lastBatch: 'train', seed: 0 } as const;
    return random => {
      const json = JSON.stringify(mutateJson(POSITION, random));
      const state = onceIn(random, 6) ? mutateText(json, random) : json;
      writeSafetensors(file, tensors, { format: 'pt', [STATE_KEY]: state });
      return () => {
        ensure(listCheckpoints(folder).length === 1, 'there is one checkpoint');
        const { position } = savedState(loadCheckpoint(file));
        const batches = BatchOrder.restore(options, position.order);
        ensure(batches.next().length > 0, 'there is a next batch');
      };
    };
  },
};

const LOG = [
  { level: 'info', time: '2026-01-31T00:00:00.000Z', v: 1, seq: 0, event: 'run.start', run_id: 'x' },
  { level: 'info', v: 1, seq: 1, event: 'train.step', epoch: 1, step: 1, loss: 0.5 },
  { level: 'info', v: 1, seq: 2, event: 'train.step', epoch: 1, step: 2, loss: null, loss_nonfinite: 'nan' },
  {
    level: 'info',
    v: 1,
    seq: 3,
    event: 'checkpoint.saved',
    step: 2,
    file: 'checkpoints/step-00000002.safetensors',
  },
  { level: 'info', v: 1, seq: 4, event: 'train.step', epoch: 2, step: 3, loss: 0.25 },
  { level: 'error', v: 1, seq: 5, event: 'run.end', status: 'failed' },
] as const;

/**
 * What was in the log is afterwards in it or beside it, byte for byte, and its numbers have no gap.
 */
export const logFiles: FuzzTarget = {
  name: 'log.jsonl',
  open: folder => {
    const file = join(folder, 'log.jsonl');
    return random => {
      const lines = LOG.slice(0, 1 + random.integer(LOG.length)).map(line =>
        JSON.stringify(onceIn(random, 4) ? mutateJson(line, random, ['run.end', 'gate', 3]) : line),
      );
      const text = `${lines.join('\n')}${onceIn(random, 8) ? '' : '\n'}`;
      const mutated = onceIn(random, 2) ? mutateText(text, random) : text;
      const bytes = onceIn(random, 3) ? mutateBytes(Buffer.from(mutated), random) : Buffer.from(mutated);
      writeFileSync(file, bytes);
      const point = { step: random.integer(4), evaluationIsDue: onceIn(random, 2) };
      return () => checkCut(folder, bytes, cutLog(file, point));
    };
  },
};

function checkCut(folder: string, bytes: Buffer, { seq, replacedFile }: ReturnType<typeof cutLog>): void {
  const read = (name: string) => readFileSync(join(folder, name));
  const kept = read('log.jsonl');
  const replaced = replacedFile === null ? Buffer.alloc(0) : read(replacedFile);
  if (replacedFile !== null) rmSync(join(folder, replacedFile));
  ensure(Buffer.concat([kept, replaced]).equals(bytes), 'nothing is lost');
  const lines = kept.toString('utf8').split('\n').slice(0, -1);
  const numbers = lines.map(line => (JSON.parse(line) as { seq: number }).seq);
  ensure(numbers.length === seq && numbers.every((number, i) => number === i), 'numbers have no gap');
  ensure(readdirSync(folder).length === 1, 'nothing else is left');
}

/**
 * `index.json` and `run.lock`: whatever they say, checkpoints are found or said to be lost, and the
 * lock is taken or said to be held.
 */
export const jsonFiles: FuzzTarget = {
  name: 'index and lock',
  open: folder => {
    const store = openCheckpoints(folder, { keep: { last: 2, best: 1 }, metric: 'm', mode: 'max' });
    for (const step of [1, 2])
      store.save({ step, epoch: 0, tensors: weights(), metadata: {}, metric: step, temporary: false });
    const [index, lock] = [join(folder, 'index.json'), join(folder, 'run.lock')];
    const original = JSON.parse(readFileSync(index, 'utf8')) as Json;
    const owner: Json = { pid: 2 ** 22 + 1, host: 'elsewhere' };
    const damaged = (value: Json, random: RandomStream): string | Buffer => {
      const json = JSON.stringify(
        mutateJson(value, random, [process.pid, '../../step-00000001.safetensors']),
      );
      if (onceIn(random, 4)) return mutateBytes(Buffer.from(json), random);
      return onceIn(random, 3) ? mutateText(json, random) : json;
    };
    return random => {
      writeFileSync(index, damaged(original, random));
      writeFileSync(lock, damaged(owner, random));
      const which = pick(random, ['last', 'best', 1, 2] as const);
      return () => {
        const { checkpoint } = latestCheckpoint(folder, { strict: false });
        ensure(checkpoint?.step === 2, 'the index changes nothing');
        const step = typeof which === 'number' ? which : 2;
        ensure(loadCheckpoint(resolveCheckpoint(folder, which)).step === step, 'none is taken for another');
        try {
          lockRun(lock)();
        } finally {
          rmSync(lock, { force: true });
        }
      };
    };
  },
};

const config = {
  version: 1,
  name: 'damaged',
  dataset: { kind: 'synthetic', problem: 'adding', sequence_length: 3, train_size: 4, test_size: 2 },
  model: { cell: 'lstm', hidden_size: 2 },
  loss: { kind: 'mse' },
  optimizer: { kind: 'adam', learning_rate: 0.01 },
  training: { num_epochs: 2, batch_size: 2, log_every: 1 },
  checkpoint: { keep: { last: 2, best: 1 } },
};

const JSON_FILES = ['manifest.json', 'summary.json', 'checkpoints/index.json'] as const;
const OTHER_FILES = ['config.resolved.yaml', 'log.jsonl', 'checkpoints/step-00000004.safetensors'] as const;
const options = { threads: 1, commandLine: [], signal: new AbortController().signal };

/** A finished run of four steps, in `folder`. */
async function finishedRun(folder: string): Promise<string> {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, JSON.stringify(config));
  const started = new Date(0);
  const { summary } = await runExperiment(
    loadExperiment(file),
    { ...options, backend: 'cpu', output: join(folder, 'runs'), started },
    silentObserver,
  );
  return summary.directory;
}

function damaged(path: string, isJson: boolean, random: RandomStream): Buffer {
  const bytes = readFileSync(path);
  if (isJson && !onceIn(random, 4)) {
    const value = JSON.parse(bytes.toString('utf8')) as Json;
    return Buffer.from(
      JSON.stringify(mutateJson(value, random, ['completed', 'interrupted', 'failed', 'cpu'])),
    );
  }
  if (onceIn(random, 2)) return mutateBytes(bytes, random);
  return Buffer.from(mutateText(bytes.toString('latin1'), random), 'latin1');
}

export const runDirectories: FuzzTarget = {
  name: 'run directory',
  isCostly: true,
  open: async folder => {
    const original = await finishedRun(folder);
    const path = join(folder, 'damaged');
    return random => {
      rmSync(path, { recursive: true, force: true });
      cpSync(original, path, { recursive: true });
      // a run that is complete reads little
      if (onceIn(random, 3)) rmSync(join(path, 'summary.json'));
      const isJson = !onceIn(random, 4);
      const file = join(path, pick(random, isJson ? JSON_FILES : OTHER_FILES));
      writeFileSync(file, damaged(file.replace(path, original), isJson, random));
      return async () => {
        const resumed = {
          ...options,
          backend: undefined,
          set: [],
          allowChange: [],
          strict: false,
          started: new Date(0),
        };
        const { exitCode } = await resumeExperiment(path, resumed, silentObserver);
        ensure(Object.values(EXIT).includes(exitCode), 'the run ends as runs end');
      };
    };
  },
};
