import type { Engine } from '../engine/index.js';
import type { Value } from '../engine/linked-executable.js';
import type { Optimizer } from '../math/optimizers/optimizer.js';
import { paddedSize, TOTAL, updateProgram } from '../math/optimizers/program.js';

/** Added to the norm before dividing by it, like torch.nn.utils.clip_grad_norm_. */
const CLIP_EPSILON = 1e-6;

/** In float64, in four independent sums; `gradient` is padded to whole rows. */
export function gradientNorm(gradient: Float32Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < gradient.length; i += 4) {
    a += gradient[i] * gradient[i];
    b += gradient[i + 1] * gradient[i + 1];
    c += gradient[i + 2] * gradient[i + 2];
    d += gradient[i + 3] * gradient[i + 3];
  }
  return Math.sqrt(a + b + (c + d));
}

/** Scales a gradient of norm `norm` down to `most`. */
export function clipFactor(norm: number, most: number | undefined): number {
  return most === undefined ? 1 : Math.min(1, most / (norm + CLIP_EPSILON));
}

export type Updater = ReturnType<typeof createUpdater>;

/**
 * @param size parameters without padding
 * @param decayed 1 for each parameter that weight decay applies to, else 0; padded. Absent: all.
 */
export function createUpdater<S>(
  engine: Engine,
  optimizer: Optimizer<S>,
  settings: S,
  size: number,
  decayed?: Float32Array,
) {
  const program = updateProgram(optimizer, settings, size, { decaysSome: decayed !== undefined });
  const executable = engine.compile(program);
  const state = Object.fromEntries(
    optimizer.state(settings).map(name => [name, engine.heap.allocate(paddedSize(size))]),
  );
  return {
    /** The optimizer's buffers by name, each flat and padded like the parameters. */
    state,

    /**
     * Updates `parameter` and the state in place with `gradient` times `scale`. All arrays are flat
     * and padded to whole rows (`paddedSize`); `step` is 1 for the first update. If a result is not
     * finite, changes nothing and returns the results that are not; otherwise returns an empty
     * array.
     */
    async apply(
      parameter: Float32Array,
      gradient: Float32Array,
      { step, learningRate, scale }: { step: number; learningRate: number; scale: number },
    ): Promise<readonly Float32Array[]> {
      const values: Record<string, Value> = {
        ...optimizer.scalars(settings, step, learningRate),
        ...(decayed && { decayed }),
        gradient_scale: scale,
        parameter,
        gradient,
      };
      for (const [name, buffer] of Object.entries(state)) values[`state.${name}`] = buffer;
      const { [TOTAL]: total, ...out } = await executable.run(values);
      // the total may overflow float32 although no result does
      const notFinite = isFiniteThroughout(total)
        ? []
        : Object.values(out).filter(array => !isFiniteThroughout(array));
      if (notFinite.length > 0) return notFinite;
      parameter.set(out.parameter);
      for (const [name, buffer] of Object.entries(state)) buffer.set(out[`state.${name}`]);
      return notFinite;
    },
  };
}

/** A sum is finite only if every term is; sums of float32 do not overflow float64. */
export function isFiniteThroughout(values: Float32Array): boolean {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < values.length; i += 4) {
    a += values[i];
    b += values[i + 1];
    c += values[i + 2];
    d += values[i + 3];
  }
  return Number.isFinite(a + b + (c + d));
}

/** Exponential moving average of the weights over the updates of a training. */
export class WeightAverage {
  readonly values: Float32Array;

  constructor(
    size: number,
    private readonly decay: number,
  ) {
    this.values = new Float32Array(size);
  }

  /**
   * Adds the parameters after `update` (from 1). The first update copies them; later ones compute a
   * <- a + (1 - decay) (theta - a), like torch.optim.swa_utils.AveragedModel with
   * get_ema_multi_avg_fn. Computed in float64 and rounded once, so byte-identical on every backend.
   */
  add(parameters: Float32Array, update: number): void {
    const { values } = this;
    if (update === 1) {
      values.set(parameters);
      return;
    }
    const weight = 1 - this.decay;
    for (let i = 0; i < values.length; i++) values[i] += weight * (parameters[i] - values[i]);
  }
}
