/**
 * What it costs a training step to find numbers that are not finite. Counted as finding is the
 * gradient norm, although the log and clipping need it too, and what the update does more than its
 * results need: the kernel that sums them, and reading the sums. That the loss is looked at costs
 * nothing that a clock can see.
 */
import { cpus } from 'node:os';
import { Engine } from '../../src/engine/index.js';
import type { Value } from '../../src/engine/linked-executable.js';
import { adam } from '../../src/math/optimizers/adam.js';
import { TOTAL, updateProgram } from '../../src/math/optimizers/program.js';
import type { Trainer } from '../../src/train/trainer.js';
import { gradientNorm, isFiniteThroughout } from '../../src/train/updater.js';
import { type BenchCase, benchCase, REFERENCE } from './cases.js';
import { ADAM, LEARNING_RATE, openTrainer, randomSplit } from './contenders/model.js';
import type { Figure } from './results.js';
import { medianOf, ratioOf, spreadOf } from './results.js';

/**
 * Steps in a round; each is followed by the checks, since the caches are then as a step leaves
 * them.
 */
const STEPS = 10;
/** Compiling is over by then, and V8 has replaced its first code. */
const WARM_UP_STEPS = 20;
/** Two updates differ by little: this many pairs after each step tell it. */
const PAIRS = 8;

interface Times {
  readonly step: number[];
  readonly norm: number[];
  /**
   * An update less the one next to it that sums nothing: what slows the machine down for a while
   * slows both.
   */
  readonly summing: number[];
}

export async function measureChecks(threads: number, rounds: number): Promise<Figure> {
  const one = benchCase('train_step', { ...REFERENCE, threads });
  const engine = await Engine.start('webasm');
  const trainer = await openTrainer(one, await randomSplit(one), threads);
  try {
    const measure = stopwatch(one, trainer, engine);
    await measure(WARM_UP_STEPS);
    const steps: number[] = [];
    const checks: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const { step, norm, summing } = await measure(STEPS);
      steps.push(medianOf(step));
      checks.push(medianOf(norm) + Math.max(0, medianOf(summing)));
    }
    return {
      id: 'checks/step',
      what: 'finding what is not finite',
      unit: 'ms',
      ours: spreadOf(checks),
      other: { name: 'training step', value: spreadOf(steps) },
      ratio: ratioOf(checks, steps),
    };
  } finally {
    await trainer.close();
    await engine.close();
  }
}

/** Steps between two looks at the calibration kernel: both see the same minute. */
const CALIBRATED_STEPS = 5;

/**
 * A training step over the calibration kernel in the same threads: no other program is needed, and
 * a slower machine moves both, so that CI can hold it to a limit.
 */
export async function measureCalibrated(threads: number, rounds: number): Promise<Figure> {
  const one = benchCase('train_step', { ...REFERENCE, threads });
  const trainer = await openTrainer(one, await randomSplit(one), threads);
  try {
    const indices = Uint32Array.from({ length: one.batch_size }, (_, i) => i);
    let made = 0;
    const round = async () => {
      const steps: number[] = [];
      const kernels: number[] = [];
      for (let i = 0; i < CALIBRATED_STEPS; i++) {
        const batch = await trainer.prepare(indices, ++made, true);
        const began = performance.now();
        await trainer.step(batch, made, LEARNING_RATE);
        steps.push(performance.now() - began);
        kernels.push(await trainer.calibrate());
      }
      return [medianOf(steps), medianOf(kernels)] as const;
    };
    await round();
    const isDisturbed = watchOthers(threads);
    const measured: (readonly [number, number])[] = [];
    for (let i = 0; i < rounds; i++) measured.push(await round());
    const disturbed = isDisturbed() ? ({ disturbed: true } as const) : {};
    const [steps, kernels] = [0, 1].map(at => measured.map(pair => pair[at]));
    return {
      id: 'step/calibration',
      what: 'training step',
      unit: 'ms',
      ours: spreadOf(steps),
      other: { name: 'calibration kernel', value: spreadOf(kernels) },
      ratio: ratioOf(steps, kernels),
      ...disturbed,
    };
  } finally {
    await trainer.close();
  }
}

/** Number of cores that other programs may use before they slow the threads down. */
const MAX_TAKEN = 0.2;

/**
 * Returns a function that says whether other programs left fewer than `threads` cores free since
 * this call. If so, the ratio means nothing: the threads of a step wait for the slowest one, while
 * the short calibration kernel is rarely interrupted.
 */
function watchOthers(threads: number): () => boolean {
  const busy = () =>
    cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);
  const before = { time: performance.now(), busy: busy(), own: process.cpuUsage() };
  return () => {
    const { user, system } = process.cpuUsage(before.own);
    const others = busy() - before.busy - (user + system) / 1000;
    return others / (performance.now() - before.time) > cpus().length - threads + MAX_TAKEN;
  };
}

/** Makes steps, and times each and its parts apart; milliseconds. */
function stopwatch(one: BenchCase, trainer: Trainer, engine: Engine): (steps: number) => Promise<Times> {
  const program = updateProgram(adam, ADAM, trainer.layout.size);
  const outputs = new Map([...program.outputs].filter(([name]) => name !== TOTAL));
  const [checked, unchecked] = [program, { ...program, outputs }].map(each => engine.compile(each));
  const gradient = trainer.parameters.map(value => value / 100);
  const indices = Uint32Array.from({ length: one.batch_size }, (_, i) => i);
  const timed = async (call: () => unknown) => {
    const began = performance.now();
    await call();
    return performance.now() - began;
  };
  let made = 0;
  return async steps => {
    const times: Times = { step: [], norm: [], summing: [] };
    for (let i = 0; i < steps; i++) {
      const batch = await trainer.prepare(indices, ++made, false);
      times.step.push(await timed(() => trainer.step(batch, made, LEARNING_RATE)));
      times.norm.push(await timed(() => gradientNorm(gradient)));
      const values = updateValues(trainer, gradient);
      const withSums = () => timed(async () => isFiniteThroughout((await checked.run(values))[TOTAL]));
      const without = () => timed(() => unchecked.run(values));
      for (let pair = 0; pair < PAIRS; pair += 2) {
        const [first, second] = [await withSums(), await without()];
        const [third, fourth] = [await without(), await withSums()];
        times.summing.push(first - second, fourth - third);
      }
    }
    return times;
  };
}

function updateValues(
  { parameters, optimizerState }: Trainer,
  gradient: Float32Array,
): Record<string, Value> {
  const state = Object.entries(optimizerState).map(([name, buffer]) => [`state.${name}`, buffer] as const);
  const scalars = adam.scalars(ADAM, 1, LEARNING_RATE);
  return { ...scalars, gradient_scale: 1, parameter: parameters, gradient, ...Object.fromEntries(state) };
}
