/**
 * PyTorch's values in float64 (test/fixtures/goldens, made by `generate.py` and `breadth.py`
 * there), and what a program needs to be held against them.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelConfig, OptimizerConfig } from '../../src/config/index.js';
import { fillDefaults } from '../../src/config/merge/defaults.js';
import type { Split, Targets } from '../../src/data/dataset.js';
import { readSafetensors } from '../../src/experiment/checkpoints/safetensors.js';
import type { LossSettings } from '../../src/losses/index.js';
import { describeModel, type ModelSpec } from '../../src/model/spec.js';
import { packageRoot } from '../../src/util/root.js';
import { fullModel } from './models.js';

const folder = join(packageRoot, 'test/fixtures/goldens');

/** Names of all golden files; those with every kind of model begin with `breadth/`. */
export const GOLDENS: readonly string[] = ['', 'breadth/'].flatMap(place =>
  readdirSync(join(folder, place))
    .filter(name => name.endsWith('.safetensors'))
    .map(name => `${place}${name.slice(0, -'.safetensors'.length)}`)
    .sort(),
);

export interface Golden {
  readonly name: string;
  /** The `model` section of its config. */
  readonly model: ModelConfig;
  readonly spec: ModelSpec;
  readonly loss: LossSettings;
  /** Rows of a batch. */
  readonly batch: number;
  /** T. */
  readonly steps: number;
  /** Sequences: one batch, or two if states are carried from the first to the second. */
  readonly split: Split;
  readonly clip: number | null;
  /** Each optimizer in the file, as a resolved config has it. */
  readonly optimizers: Readonly<Record<string, OptimizerConfig>>;
  /** Initial parameters by the names of our checkpoints. */
  readonly parameters: Readonly<Record<string, Float32Array>>;
  /** A tensor of the file in float64; parameters go by the names of our checkpoints. */
  values(name: string): Float64Array;
}

/** What one of the two generators says of its case. */
interface Description {
  readonly model: Record<string, unknown> & { cell?: string; head: { from: string } };
  readonly loss: LossSettings;
  readonly batch: number;
  readonly clip: number | null;
  readonly carriesState: boolean;
}

export function golden(name: string): Golden {
  const file = readSafetensors(join(folder, `${name}.safetensors`));
  const { model: given, loss, batch, clip, carriesState } = describe(file.metadata);
  // generate.py calls every recurrent module lstm
  const ofFile = (key: string) =>
    file.metadata.case && given.cell ? key.replace(`${given.cell}.`, 'lstm.') : key;
  const ofCheckpoint = (key: string) =>
    file.metadata.case && given.cell ? key.replace('lstm.', `${given.cell}.`) : key;
  const values = (key: string): Float64Array => {
    const found = file.tensors.get(ofFile(key));
    if (!found) throw new Error(`${name} has no ${key}`);
    return Float64Array.from(found.data as Iterable<number | bigint>, Number);
  };
  const x = file.tensors.get('x')!;
  const [count, steps, features] = x.shape;
  const symbols = x.dtype === 'I64';
  const y = values('y');
  const targets: Targets =
    loss.kind === 'cross_entropy'
      ? {
          kind: 'class',
          numClasses: given.num_classes as number,
          values: Int32Array.from(y),
          perStep: given.head.from === 'every',
        }
      : { kind: 'value', size: y.length / count, values: Float32Array.from(y) };
  const model = fullModel(given);
  return {
    name,
    model,
    spec: describeModel(model, {
      input: symbols
        ? { kind: 'symbol', count: Math.max(...values('x')) + 1 }
        : { kind: 'number', size: features },
      outputSize: targets.kind === 'class' ? targets.numClasses : targets.size,
      carriesState,
    }),
    loss,
    batch,
    steps,
    split: splitOf({
      x: Float32Array.from(values('x')),
      count,
      steps,
      targets,
      ...(file.tensors.has('lengths') && { lengths: Int32Array.from(values('lengths')) }),
    }),
    clip,
    optimizers: optimizersOf(JSON.parse(file.metadata.optimizers)),
    parameters: Object.fromEntries(
      [...file.tensors.keys()]
        .filter(key => key.startsWith('param.'))
        .map(key => ofCheckpoint(key.slice('param.'.length)))
        .map(key => [key, Float32Array.from(values(`param.${key}`))]),
    ),
    values,
  };
}

/**
 * breadth.py states a config's section, generate.py PyTorch's arguments under a name such as
 * `sgd_nesterov`.
 */
function optimizersOf(settings: Readonly<Record<string, Record<string, unknown>>>): Golden['optimizers'] {
  const entries = Object.entries(settings).map(([name, { lr, ...rest }]) => {
    const optimizer = lr === undefined ? rest : { kind: name.split('_')[0], learning_rate: lr, ...rest };
    return [name, fillDefaults({ optimizer }).optimizer] as const;
  });
  return Object.fromEntries(entries) as Golden['optimizers'];
}

function describe(metadata: Readonly<Record<string, string>>): Description {
  if (metadata.config) {
    const { model, loss, training } = JSON.parse(metadata.config);
    const {
      batch_size: batch,
      gradient_clip_norm: clip = null,
      carry_state: carriesState = false,
    } = training;
    return { model, loss, batch, clip, carriesState };
  }
  const {
    cell,
    H,
    L,
    B,
    C,
    loss,
    bidirectional,
    nonlinearity,
    from,
    clip_grad_norm: clip,
  } = JSON.parse(metadata.case);
  const model = {
    cell,
    hidden_size: H,
    num_layers: L,
    bidirectional,
    ...(cell === 'rnn' && { nonlinearity }),
    ...(loss === 'cross_entropy' && { num_classes: C }),
    head: { from },
  };
  return { model, loss: { kind: loss }, batch: B, clip, carriesState: false };
}

interface Sequences {
  /** [N, T, F]; symbols [N, T]. */
  readonly x: Float32Array;
  readonly count: number;
  readonly steps: number;
  readonly targets: Targets;
  readonly lengths?: Int32Array;
}

/** Sequences in memory as a split. What lies past a sequence's end is not read. */
export function splitOf({ x, count, steps, targets, lengths }: Sequences): Split {
  const width = x.length / (count * steps);
  return {
    count,
    targets,
    ...(lengths && { lengths }),
    read(index, out, offset, stepStride) {
      for (let t = 0; t < steps; t++) {
        const from = (index * steps + t) * width;
        const ended = t >= (lengths?.[index] ?? steps);
        const at = offset + t * stepStride;
        if (ended) out.fill(0, at, at + width);
        else out.set(x.subarray(from, from + width), at);
      }
    },
  };
}

/** ||a - b|| / ||b||, the Euclidean norm over all elements; ||a|| if b is zero. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return Math.sqrt(norm === 0 ? difference : difference / norm);
}
