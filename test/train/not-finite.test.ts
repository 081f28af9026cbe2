/**
 * A loss, gradient, input or update that is not finite is detected in its step and does not reach
 * the weights: the batch is skipped, or the run ends.
 */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { validateAgainst } from '../../src/config/schema/validate.js';
import type { Split } from '../../src/data/core/dataset.js';
import { BatchOrder } from '../../src/data/index.js';
import { Engine } from '../../src/engine/index.js';
import { adam } from '../../src/math/optimizers/adam.js';
import { ROW } from '../../src/math/optimizers/program.js';
import { sgd } from '../../src/math/optimizers/sgd.js';
import {
  type EpochReport,
  type LoopEnd,
  type StepReport,
  TrainingState,
  trainingLoop,
} from '../../src/train/loop.js';
import { ShardPool } from '../../src/train/pool.js';
import type { RunObserver, RunResult } from '../../src/train/recorder.js';
import { resumeExperiment, runExperiment } from '../../src/train/resume.js';
import type { ModelRun, ShardMemory } from '../../src/train/shards.js';
import { createUpdater, Trainer } from '../../src/train/trainer.js';
import { RandomStream } from '../../src/util/random.js';
import { compareRuns, resultDigests } from '../../src/verify/resume.js';
import { floats, npz, onlyIn, readLog } from '../support/cli.js';
import { modelOf } from '../support/models.js';
import { silentObserver } from '../support/runs.js';
import { update } from '../support/updates.js';
import { work } from '../support/work.js';

// many small runs, possibly on a busy machine
t.setTimeout(120_000);
const VALUES = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const SOURCES = ['loss', 'gradient', 'input'] as const;
type Source = (typeof SOURCES)[number];

/** Two shards of 16 rows. */
const BATCH = 32;
const STEPS = 50;
const [T, F] = [3, 2];
const LEARNING_RATE = 0.01;
const ADAM = {
  kind: 'adam',
  learning_rate: 0.01,
  betas: [0.9, 0.999],
  eps: 1e-8,
  amsgrad: false,
  weight_decay: 0,
  weight_decay_on: 'all',
} as const;
const SPOILT = 'lstm.weight_hh_l1';

interface Fault {
  readonly source: Source;
  readonly value: number;
  /** Injected in this step, from 1. */
  readonly step: number;
}

/** Corrupts the results of a step's shards before the trainer reads them. */
let spoil: ((shards: readonly ShardMemory[]) => void) | undefined;

async function faultyPool(run: ModelRun): Promise<ShardPool> {
  const pool = await ShardPool.open(run);
  const group = pool.group.bind(pool);
  pool.group = (job, shards) => {
    const { slots, compute } = group(job, shards);
    return { slots, compute: slot => compute(slot).then(() => spoil?.(slots[slot])) };
  };
  return pool;
}

/** Random sequences; one number of one of them can be replaced. */
class FaultySplit implements Split {
  readonly count = BATCH * STEPS;
  readonly targets;
  fault: { readonly index: number; readonly value: number } | undefined;
  private readonly x: Float32Array;

  constructor() {
    const random = RandomStream.of(1, 'test/not-finite');
    this.x = Float32Array.from({ length: this.count * T * F }, () => random.uniform() - 0.5);
    const values = Int32Array.from({ length: this.count }, () => random.integer(3));
    this.targets = { kind: 'class', numClasses: 3, values, perStep: false } as const;
  }

  read(index: number, out: Float32Array, offset: number, stepStride: number): void {
    for (let s = 0; s < T; s++) {
      for (let f = 0; f < F; f++) out[offset + s * stepStride + f] = this.x[(index * T + s) * F + f];
    }
    if (index === this.fault?.index) out[offset + stepStride] = this.fault.value;
  }
}

/** Everything that an update changes. */
type Arrays = Readonly<Record<string, Float32Array>>;

interface Outcome {
  readonly end: LoopEnd;
  readonly steps: readonly StepReport[];
  readonly epochs: readonly EpochReport[];
  /** After each step that the loop reported, and at its end. */
  readonly after: readonly Arrays[];
  readonly last: Arrays;
}

class Bench {
  private constructor(
    readonly trainer: Trainer,
    private readonly split: FaultySplit,
    private readonly initial: Arrays,
  ) {}

  static async open(): Promise<Bench> {
    const split = new FaultySplit();
    const options = {
      backend: 'webasm',
      threads: 1,
      spec: modelOf({ cell: 'lstm', hidden_size: 3, num_layers: 2 }, { inputSize: F, outputSize: 3 }),
      seed: 0,
      loss: { kind: 'cross_entropy' },
      metrics: [],
      sequenceLength: T,
      variableLength: false,
      train: split,
      batchSize: BATCH,
    } as const;
    const trainer = await Trainer.create(options, adam, ADAM, await faultyPool(options));
    trainer.layout.initialise(trainer.parameters, RandomStream.of(0, 'model/init'));
    return new Bench(trainer, split, arraysOf(trainer));
  }

  /**
   * Trains up to step `end`, from the start or from the state of an earlier training after a step.
   */
  async train(
    faults: readonly Fault[],
    {
      most = 0,
      end = STEPS,
      from,
    }: { most?: number; end?: number; from?: { at: StepReport; arrays: Arrays } },
  ): Promise<Outcome> {
    const options = {
      count: this.split.count,
      batchSize: BATCH,
      shuffle: false,
      lastBatch: 'train',
      seed: 0,
    } as const;
    const order = from ? BatchOrder.restore(options, from.at.order) : new BatchOrder(options);
    this.restore(from?.arrays ?? this.initial);
    let step = from?.at.step ?? 0;
    spoil = shards => {
      step++;
      const fault = faults.find(one => one.step === step);
      if (fault?.source === 'loss') shards[1].rows[5] = fault.value;
      if (fault?.source === 'gradient') shards[1].gradient[this.place(SPOILT) + 7] = fault.value;
    };
    const [input] = faults.filter(({ source }) => source === 'input');
    this.split.fault = input && { index: (input.step - 1) * BATCH + 20, value: input.value };
    const steps: StepReport[] = [];
    const epochs: EpochReport[] = [];
    const after: Arrays[] = [];
    const state = new TrainingState();
    state.position = from?.at;
    state.evaluated = from !== undefined;
    const loopEnd = await trainingLoop({
      ...{ trainer: this.trainer, order, state, totalSteps: end },
      learningRate: () => LEARNING_RATE,
      settings: { max_skipped_batches: most },
      observer: {
        step: async report => {
          steps.push(report);
          after.push(arraysOf(this.trainer));
        },
        epoch: report => void epochs.push(report),
      },
    });
    return { end: loopEnd, steps, epochs, after, last: arraysOf(this.trainer) };
  }

  /** The same without a loop: trains on all batches after `from`, except that of step `without`. */
  async trainWithout(without: number, from: Arrays): Promise<Arrays[]> {
    this.restore(from);
    spoil = undefined;
    this.split.fault = undefined;
    const after: Arrays[] = [];
    for (let batch = without; batch < STEPS; batch++) {
      const indices = Uint32Array.from({ length: BATCH }, (_, i) => batch * BATCH + i);
      const { updated } = await this.trainer.step(
        await this.trainer.prepare(indices, batch, false),
        batch,
        LEARNING_RATE,
      );
      if (!updated) throw new Error(`batch ${batch} is sound and was not trained on`);
      after.push(arraysOf(this.trainer));
    }
    return after;
  }

  private place(name: string): number {
    return this.trainer.layout.parameters.find(one => one.name === name)?.offset as number;
  }

  private restore({ parameters, ...state }: Arrays): void {
    this.trainer.parameters.set(parameters);
    for (const [name, buffer] of Object.entries(state)) this.trainer.optimizerState[name].set(buffer);
  }
}

function arraysOf({ parameters, optimizerState }: Trainer): Arrays {
  const copies = Object.entries(optimizerState).map(([name, buffer]) => [name, buffer.slice()] as const);
  return { parameters: parameters.slice(), ...Object.fromEntries(copies) };
}

/** Names of the arrays whose bytes differ. */
function different(a: Arrays, b: Arrays): string[] {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) =>
    Buffer.from(buffer, byteOffset, byteLength);
  return Object.keys(a).filter(name => !bytes(a[name]).equals(bytes(b[name])));
}

/** Checks the result of the step of `fault`; adds deviations to `problems`. */
function judgeResult(
  { source, value }: Fault,
  { loss, gradientNorm, notFinite }: Pick<StepReport, 'loss' | 'gradientNorm' | 'notFinite'>,
): string[] {
  const problems: string[] = [];
  if (source === 'loss' && (!Object.is(loss, value) || notFinite.length > 0))
    problems.push(`loss ${loss}, ${notFinite}`);
  if (source !== 'loss' && Number.isFinite(gradientNorm)) problems.push(`norm ${gradientNorm}`);
  if (source === 'gradient' && notFinite.join() !== SPOILT) problems.push(`named ${notFinite}`);
  if (source === 'input' && !notFinite.includes('lstm.weight_ih_l0')) problems.push(`named ${notFinite}`);
  return problems;
}

t.test('NaN and infinities in loss, gradient and input at each of 50 steps', async t => {
  const bench = await Bench.open();
  const sound = await bench.train([], {});
  t.match(sound, {
    end: { status: 'completed' },
    steps: { length: STEPS },
    epochs: [{ step: STEPS, skipped: 0 }],
  });
  const problems: string[] = [];
  let injected = 0;
  for (let step = 1; step <= STEPS; step++) {
    const before = step === 1 ? undefined : { at: sound.steps[step - 2], arrays: sound.after[step - 2] };
    const start = before?.arrays ?? (await bench.train([], { end: 0 })).last;
    const expected = [start, ...(await bench.trainWithout(step, start))];
    for (const source of SOURCES) {
      for (const value of VALUES) {
        const fault = { source, value, step };
        const complain = (text: string) => problems.push(`${source} ${value} at step ${step}: ${text}`);
        injected++;
        const ended = await bench.train([fault], from(before));
        if (ended.end.status !== 'diverged') complain(`not found: ${ended.end.status}`);
        else {
          if (ended.end.step !== step || ended.steps.length > 0) complain(`found in step ${ended.end.step}`);
          for (const text of judgeResult(fault, ended.end)) complain(text);
        }
        if (different(ended.last, start).length > 0)
          complain(`diverged, written into ${different(ended.last, start)}`);
        // one fault of each step, in turn, is followed to the end; the others for a few steps
        const isWhole =
          injected % (SOURCES.length * VALUES.length) === step % (SOURCES.length * VALUES.length);
        const end = isWhole ? STEPS : Math.min(STEPS, step + 2);
        const skipped = await bench.train([fault], { ...from(before), most: 1, end });
        const [report] = skipped.steps;
        if (skipped.end.status !== 'completed') complain(`skipping ends as ${skipped.end.status}`);
        if (report?.updated || report?.skipped !== 1 || report.step !== step) complain('not skipped');
        else for (const text of judgeResult(fault, report)) complain(text);
        for (const [i, arrays] of skipped.after.entries()) {
          const names = different(arrays, expected[i]);
          if (names.length > 0) complain(`skipped, ${names} differ after step ${step + i}`);
        }
        if (skipped.steps.length !== end - step + 1) complain(`${skipped.steps.length} steps`);
        if (skipped.steps.slice(1).some(one => !one.updated || one.skipped !== 1)) complain('skipped more');
      }
    }
  }
  t.same(problems.slice(0, 20), []);
  t.equal(injected, 450);
  await bench.trainer.close();
});

function from<V>(value: V | undefined): { from?: V } {
  return value === undefined ? {} : { from: value };
}

t.test(
  'one skip more than allowed ends the run, and the mean over an epoch leaves out skipped batches',
  async t => {
    const bench = await Bench.open();
    const at = (source: Source, step: number): Fault => ({ source, step, value: Number.NaN });
    const faults = [at('loss', 3), at('input', 7), at('gradient', 12)];
    const ended = await bench.train(faults, { most: 2 });
    t.match(ended.end, { status: 'diverged', step: 12, skipped: 2, notFinite: [SPOILT] });
    t.same(
      ended.steps.filter(({ updated }) => !updated).map(({ step, skipped }) => [step, skipped]),
      [
        [3, 1],
        [7, 2],
      ],
    );
    t.same(different(ended.last, ended.after[10]), []);
    const whole = await bench.train(faults, { most: 3 });
    const losses = whole.steps.filter(({ updated }) => updated).map(({ loss }) => loss * BATCH);
    t.equal(losses.length, STEPS - 3);
    const samples = BATCH * (STEPS - 3);
    t.match(whole.epochs, [{ samples, skipped: 3, loss: losses.reduce((a, b) => a + b) / samples }]);
    const none = await bench.train(
      Array.from({ length: STEPS }, (_, i) => at('gradient', i + 1)),
      { most: STEPS },
    );
    t.same(
      none.epochs.map(({ samples, loss }) => [samples, loss]),
      [[0, Number.NaN]],
    );
    t.same(different(none.last, (await bench.train([], { end: 0 })).last), [], 'nothing was trained');
    const huge = await bench.train([{ source: 'gradient', step: 5, value: 1e30 }], {});
    t.match(
      huge.end,
      { status: 'diverged', step: 5, notFinite: [SPOILT], gradientNorm: Math.fround(1e30) },
      'its square is kept',
    );
    t.same(different(huge.last, huge.after[3]), [], 'an update out of range');
    await bench.trainer.close();
  },
);

t.test('checks each result of an update, not their sum', async t => {
  const engine = await Engine.start('webasm');
  const zeros = () => new Float32Array(2 * ROW);
  const settings = { momentum: 0.9, nesterov: false, weight_decay: 0 };
  const scalars = { step: 1, learningRate: 1, scale: 1 };
  const updater = createUpdater(engine, sgd, settings, 2 * ROW);
  const parameters = zeros();
  parameters[5] = 3e38;
  parameters[ROW + 5] = 3e38;
  const apply = (parameter: Float32Array, gradient: Float32Array, at = scalars) =>
    update(engine, updater, [parameter, gradient], at);
  t.same(await apply(parameters, zeros()), [], 'two that leave float32 together');
  const gradient = zeros();
  const kept = parameters.slice();
  gradient[5] = -3e38;
  t.equal((await apply(parameters, gradient)).length, 1, 'a parameter, but not its momentum');
  t.same(parameters, kept);
  t.same(updater.state.momentum_buffer, zeros());
  for (const value of VALUES) {
    for (const [at, name] of [ROW - 1, ROW, 2 * ROW - 1].map(i => [i, `element ${i}`] as const)) {
      const bad = zeros();
      bad[at] = value;
      t.equal((await apply(parameters, bad)).length, 2, `${value} in ${name}`);
    }
  }
  updater.state.momentum_buffer[0] = 3e38;
  const step = zeros();
  step[0] = 3e38;
  t.equal((await apply(zeros(), step, { ...scalars, learningRate: 0 })).length, 2);
  t.equal(updater.state.momentum_buffer[0], Math.fround(3e38));
  await engine.close();
});

/**
 * Sixty sequences, four batches per epoch. The targets of the sequences in `bad` are finite, but
 * their squared errors are not.
 */
function dataset(bad: readonly number[]): Uint8Array {
  const random = RandomStream.of(2, 'test/not-finite');
  const features = (count: number) => Array.from({ length: count * 4 }, () => random.uniform() - 0.5);
  const targets = (count: number) => Array.from({ length: count }, () => random.uniform());
  const y = targets(60).map((value, i) => (bad.includes(i) ? 1e25 : value));
  return npz({
    x: floats([60, 2, 2], features(60)),
    y: floats([60, 1], y),
    x_test: floats([10, 2, 2], features(10)),
    y_test: floats([10, 1], targets(10)),
  });
}

/** Sequence 17 is in batch 2 of 4. */
const second = work.file('second.npz', dataset([17]));

function config(path: string, training: object = {}, more: object = {}): object {
  return {
    name: 'faulty',
    dataset: { kind: 'npz', path, normalize: 'none' },
    model: { cell: 'lstm', hidden_size: 3, num_layers: 1, head: { from: 'last' } },
    loss: { kind: 'mse' },
    optimizer: { kind: 'adam', learning_rate: 0.02 },
    training: { num_epochs: 2, batch_size: 15, shuffle: false, log_every: 1, ...training },
    checkpoint: { every: { steps: 1 }, keep: { last: 20 }, metric: 'train.loss' },
    ...more,
  };
}

function run(of: object, output: string, observer: Partial<RunObserver> = {}): Promise<RunResult> {
  const signal = new AbortController().signal;
  const options = {
    backend: 'webasm',
    threads: 1,
    output,
    commandLine: [],
    started: new Date(),
    signal,
  } as const;
  return runExperiment(loadExperiment(work.config(of)), options, { ...silentObserver, ...observer });
}

function resume(path: string, ...set: string[]): Promise<RunResult> {
  const signal = new AbortController().signal;
  const none = { backend: undefined, allowChange: [], strict: false, commandLine: [], started: new Date() };
  return resumeExperiment(path, { ...none, threads: 1, set, signal }, silentObserver);
}

const events = (directory: string, name: string) => readLog(directory).filter(({ event }) => event === name);

function sound(t: Test, { summary }: RunResult): void {
  t.same(validateAgainst('summary', JSON.parse(JSON.stringify(summary))), []);
}

t.test('a skipped batch is reported, counted across resumes, and trains nothing', async t => {
  const output = work.folder();
  const copies = new Map<number, string>();
  const told: string[] = [];
  const shown: (number | undefined)[] = [];
  const of = config(second, { max_skipped_batches: 2 });
  const straight = await run(of, output, {
    warning: text => told.push(text),
    step: ({ step, loss }) => {
      shown.push(loss);
      const copy = join(work.folder(), 'copy');
      cpSync(onlyIn(output, 'faulty'), copy, { recursive: true });
      copies.set(step, copy);
    },
  });
  const { summary, exitCode } = straight;
  t.match({ exitCode, ...summary }, { exitCode: 0, status: 'completed', steps: 8, skipped_batches: 2 });
  sound(t, straight);
  const what = (step: number, left: number) =>
    new RegExp(
      `^step ${step}: batch skipped: the loss is Infinity, the gradient norm \\S+.*; training.max_skipped_batches allows ${left} more$`,
    );
  t.match(told, [what(2, 1), what(6, 0)]);
  t.same(
    shown.map(loss => loss !== undefined),
    [true, false, true, true, true, false, true, true],
  );
  t.match(events(summary.directory, 'warning'), [
    {
      code: 'training/skipped',
      level: 'warn',
      step: 2,
      epoch: 1,
      loss: null,
      loss_nonfinite: 'inf',
      message: what(2, 1),
    },
    { code: 'training/skipped', step: 6, epoch: 2, loss: null, loss_nonfinite: 'inf', message: what(6, 0) },
  ]);
  const logged = events(summary.directory, 'train.step');
  t.same(
    logged.map(({ step, loss, loss_nonfinite }) => [step, loss === null, loss_nonfinite]),
    [1, 2, 3, 4, 5, 6, 7, 8].map(step => [step, step % 4 === 2, step % 4 === 2 ? 'inf' : undefined]),
  );
  const [first] = events(summary.directory, 'train.epoch');
  const mean = [0, 2, 3].reduce((sum, i) => sum + Number(logged[i].loss) * 15, 0) / 45;
  t.match(first, { samples: 45, loss: mean });
  for (const [step, copy] of copies) {
    rmSync(join(copy, 'run.lock'));
    const resumed = await resume(copy);
    t.same(compareRuns(summary.directory, copy), [], `resumed after step ${step}`);
    t.equal(resumed.summary.skipped_batches, 2);
    t.equal(events(copy, 'warning').length, 2, 'no skip is told twice');
  }
});

t.test('a diverged run resumes if more skips are allowed, byte-identical', async t => {
  const told: string[] = [];
  const ended = await run(config(second, { max_skipped_batches: 1 }), work.folder(), {
    warning: text => told.push(text),
  });
  t.match(ended, { exitCode: 4, summary: { status: 'diverged', steps: 5, skipped_batches: 1 } });
  sound(t, ended);
  t.equal(told.length, 1);
  t.match(
    ended.summary.message,
    /^training diverged at step 6: the loss is Infinity, the gradient norm \S+.*; checkpoints\/step-00000005\.safetensors is from the previous step; 1 batch was skipped before, and training\.max_skipped_batches is 1 \(\S+:\d+:\d+\); optimizer\.learning_rate is 0\.02 \(\S+:\d+:\d+\), training\.gradient_clip_norm is not set$/,
  );
  const rate = 'try a smaller optimizer.learning_rate';
  t.equal(ended.advice, `${rate}, or training.gradient_clip_norm`);
  const clipped = await run(config(second, { gradient_clip_norm: 1 }), work.folder());
  t.equal(clipped.advice, rate, 'no advice to set what is set');
  const more = await resume(ended.summary.directory, 'training.max_skipped_batches=2');
  t.match(more, { exitCode: 0, summary: { status: 'completed', steps: 8, skipped_batches: 2 } });
  const straight = await run(config(second, { max_skipped_batches: 2 }), work.folder());
  const weights = ({ summary }: RunResult) =>
    resultDigests(summary.directory).filter(({ file }) => file.endsWith('.safetensors'));
  t.equal(weights(straight).length, 8);
  t.same(weights(more), weights(straight));
  const none = await run(config(work.file('data.npz', dataset([3]))), work.folder());
  t.equal(none.advice, 'this was the first update: look for values in the data that are too large');
  t.match(none.summary, {
    status: 'diverged',
    steps: 0,
    skipped_batches: 0,
    message:
      /^training diverged at step 1: .*; no earlier step was trained; training\.max_skipped_batches is 0 \(default\), so no batch is skipped; optimizer\.learning_rate/,
  });
});
