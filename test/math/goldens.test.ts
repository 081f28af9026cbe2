/**
 * PyTorch's models through the command line: npz in, weights in, one `sgd` step with rate 1; the
 * difference of two checkpoints is the gradient. Then ten steps of each optimizer.
 */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ParameterLayout } from '../../src/math/model/parameters.js';
import { symbolInputs } from '../../src/math/model/spec.js';
import { type Tensor, type Tensors, writeSafetensors } from '../../src/run/safetensors.js';
import { floats, integers, type NpyContent, npz, type TrainedRun } from '../support/cli.js';
import { GOLDENS, type Golden, golden, relativeError } from '../support/goldens.js';
import { work } from '../support/work.js';

function floatsOf(tensors: Tensors, name: string): Float32Array {
  const tensor = tensors.get(name);
  if (tensor?.dtype !== 'F32') throw new Error(`no F32 tensor ${name}`);
  return tensor.data;
}

/** The golden's sequences as training and as test split: a table if they have static features. */
function goldenData(expected: Golden): object {
  if (expected.spec.statics.length > 0) return goldenTable(expected);
  const isSequence = expected.split.targets.kind === 'sequence';
  return { kind: 'npz', path: goldenArrays(expected), ...(isSequence && { target_kind: 'sequence' }) };
}

function goldenTable({ spec, steps: T, split }: Golden): object {
  const { inputs, statics } = spec;
  const [{ size: staticSize }] = statics;
  const width = inputs[0].size + staticSize;
  const features = Array.from({ length: width }, (_, i) => `x${i}`);
  const perStep = split.targets.perStep ?? false;
  const rows = Array.from({ length: split.count }, (_, i) => {
    const values = new Float32Array(T * width);
    split.read(i, values, 0, width);
    return Array.from({ length: split.lengths?.[i] ?? T }, (_, t) => {
      const at = perStep ? i * T + t : i;
      const [target] = split.targets.values.subarray(at, at + 1);
      return [i, ...values.subarray(t * width, (t + 1) * width), target].join();
    });
  });
  const table = [['g', ...features, 'y'].join(), ...rows.flat()].join('\n');
  return {
    kind: 'csv',
    path: work.file('train.csv', table),
    test_path: work.file('test.csv', table),
    features: features.slice(0, -staticSize),
    static_features: features.slice(-staticSize),
    target: 'y',
    target_kind: 'class',
    sequence: { group: 'g', per_step: perStep },
  };
}

function goldenArrays({ spec, steps: T, split, values }: Golden): string {
  const { count: N, targets, lengths } = split;
  const x = values('x');
  const own = targets.kind === 'sequence' ? [targets.size] : targets.perStep ? [T] : [];
  const y =
    targets.kind === 'value'
      ? floats([N, targets.size], targets.values)
      : integers([N, ...own], targets.values);
  const arrays: Record<string, NpyContent> = {
    x: spec.inputs[0].kind === 'symbol' ? integers([N, T], x) : floats([N, T, x.length / (N * T)], x),
    y,
    ...(lengths && { lengths: integers([N], lengths) }),
  };
  const test = Object.entries(arrays).map(([key, content]) => [`${key}_test`, content]);
  return work.file('data.npz', npz({ ...arrays, ...Object.fromEntries(test) }));
}

function goldenWeights({ spec, parameters }: Golden, prefix: string): string {
  const path = join(work.folder(), 'initial.safetensors');
  const tensors = new ParameterLayout(spec).parameters.map(({ name, shape }): [string, Tensor] => [
    `${prefix}${name}`,
    { dtype: 'F32', shape, data: parameters[name] },
  ]);
  writeSafetensors(path, new Map(tensors), {});
  return path;
}

/**
 * A config that starts from the golden's weights and makes `steps` optimizer steps on its batches.
 */
function goldenConfig(expected: Golden, optimizer: object, steps: number, prefix = ''): object {
  const { name, model, spec, loss, batch, split, clip } = expected;
  return {
    version: 1,
    name: name.replace('/', '-'),
    dataset: goldenData(expected),
    model: { ...model, init_from: goldenWeights(expected, prefix) },
    loss,
    optimizer,
    training: {
      num_epochs: Math.ceil((steps * batch) / split.count),
      max_steps: steps,
      batch_size: batch,
      shuffle: false,
      log_every: 1,
      carry_state: spec.carriesState,
      ...(clip !== null && { gradient_clip_norm: clip }),
    },
    checkpoint: { every: { steps }, keep: { last: 1 } },
  };
}

function norm(values: ArrayLike<number>): number {
  return Math.hypot(...Array.from(values));
}

/** Whether the one step of rate 1 that `run` made went along PyTorch's gradient. */
function checkGradient(t: Test, run: TrainedRun, expected: Golden): void {
  if (!t.equal(run.code, 0, run.finished.stderr)) return;
  const { tensors } = run.checkpoint();
  const [step] = run.events.filter(({ event }) => event === 'train.step');
  const loss = Number(step.loss);
  t.ok(relativeError([loss], expected.values('out.loss')) < 1e-5, `loss ${loss}`);
  const whole = norm(Object.keys(expected.parameters).flatMap(name => [...expected.values(`grad.${name}`)]));
  const scale = Math.min(1, (expected.clip ?? Number.POSITIVE_INFINITY) / whole);
  for (const [name, initial] of Object.entries(expected.parameters)) {
    const after = floatsOf(tensors, name);
    const value = expected.values(`grad.${name}`).map(one => one * scale);
    const difference = Array.from(initial, (before, i) => before - after[i]);
    // the weights are stored in float32: half a unit in the last place of each is lost
    const rounding = 2 ** -24 * norm(after);
    const error = norm(difference.map((got, i) => got - value[i]));
    t.ok(error <= 1e-4 * norm(value) + rounding, `gradient of ${name}: ${error} of ${norm(value)}`);
  }
  t.ok(relativeError([Number(step.grad_norm)], [whole]) < 1e-4, 'gradient norm in the log');
}

const ONE_STEP = { kind: 'sgd', learning_rate: 1 };

/**
 * Those that go through the command line on cpu too; engine.test.ts has all of them on every
 * backend.
 */
const ON_CPU: readonly string[] = ['lstm_base', 'breadth/embedding_gru_bi', 'breadth/mixed_stack'];

for (const name of GOLDENS) {
  const expected = golden(name);
  // a table numbers the values of its columns itself, so it cannot have given symbols
  if (expected.spec.carriesState || symbolInputs(expected.spec).some(({ startsAtZero }) => startsAtZero))
    continue;
  t.test(`the gradient of ${name}`, async t => {
    const config = goldenConfig(expected, ONE_STEP, 1);
    for (const backend of ON_CPU.includes(name) ? ['cpu', 'webasm'] : ['webasm']) {
      const run = await work.train(config, '--backend', backend);
      checkGradient(t, run, expected);
      t.equal(run.summary.backend, backend);
    }
  });
}

t.test('weights under a prefix are found', async t => {
  const expected = golden('breadth/mixed_stack');
  checkGradient(t, await work.train(goldenConfig(expected, ONE_STEP, 1, 'model.')), expected);
});

for (const [name, optimizer] of [
  ['lstm_base', 'sgd_nesterov'],
  ['lstm_clip', 'sgd'],
  ['breadth/carried', 'sgd'],
  ['breadth/carried', 'adam'],
  ['breadth/carried_gru', 'adam'],
  ['breadth/embedding_every', 'adam'],
  ['breadth/embedding_every', 'amsgrad'],
  ['breadth/embedding_every', 'adamw'],
  ['breadth/embedding_every', 'rmsprop'],
  ['breadth/embedding_every', 'adagrad'],
  ['breadth/embedding_every', 'nadam'],
  ['breadth/bilstm_final_lengths', 'adam'],
  ['sequences/ctc_symbols', 'sgd'],
  ['sequences/ctc_bigru_deep', 'adam'],
  ['sequences/decoder_plain', 'sgd'],
  ['sequences/decoder_additive', 'adam'],
] as const) {
  t.test(`ten steps of ${optimizer} on ${name} end where PyTorch's do`, async t => {
    const expected = golden(name);
    const run = await work.train(
      goldenConfig(expected, expected.optimizers[optimizer], 10),
      '--backend',
      'webasm',
    );
    t.equal(run.code, 0, run.finished.stderr);
    const { tensors } = run.checkpoint(10);
    for (const parameter of Object.keys(expected.parameters)) {
      const value = expected.values(`${optimizer}.step10.${parameter}`);
      const error = relativeError(floatsOf(tensors, parameter), value);
      t.ok(error < 1e-4, `${parameter}: ${error}`);
    }
  });
}
