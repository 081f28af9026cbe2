/**
 * What PyTorch's values in the fixtures leave open: optimizers under every setting against the
 * formulas of their papers, written out for one number; the losses' weights; the initial values.
 */
import '../support/quick.js';
import t, { type Test } from 'tap';
import { interpret } from '../../src/math/graph/interpret.js';
import { type LossSettings, lossOf } from '../../src/math/losses/index.js';
import { ParameterLayout } from '../../src/math/model/parameters.js';
import { adam } from '../../src/math/optimizers/adam.js';
import type { Optimizer } from '../../src/math/optimizers/optimizer.js';
import { ROW, updateProgram } from '../../src/math/optimizers/program.js';
import { sgd } from '../../src/math/optimizers/sgd.js';
import { RandomStream } from '../../src/util/random.js';
import { modelOf } from '../support/models.js';

const STEPS = 5;
const RATE = 0.05;
const SCALE = 0.75;
const gradientAt = (step: number) => Math.cos(step * 1.3) * 2;

/** The parameter after each of STEPS updates, by the optimizer's graph. */
function byGraph<S>(optimizer: Optimizer<S>, settings: S): number[] {
  const { outputs } = updateProgram(optimizer, settings, 1);
  const filled = (value: number) => new Float64Array(ROW).fill(value);
  const values: Record<string, ArrayLike<number>> = { parameter: filled(0.8), gradient_scale: [SCALE] };
  for (const name of optimizer.state(settings)) values[`state.${name}`] = filled(0);
  return Array.from({ length: STEPS }, (_, i) => {
    values.gradient = filled(gradientAt(i + 1));
    for (const [name, value] of Object.entries(optimizer.scalars(settings, i + 1, RATE)))
      values[name] = [value];
    const results = interpret([...outputs.values()], values);
    for (const [name, node] of outputs) values[name] = results.get(node)?.data as Float64Array;
    return values.parameter[ROW - 1];
  });
}

function close(t: Test, actual: readonly number[], expected: readonly number[], text: string): void {
  const worst = Math.max(...actual.map((value, i) => Math.abs(value - expected[i])));
  t.ok(actual.length === expected.length && worst < 1e-12, `${text}: ${worst}`);
}

t.test('stochastic gradient descent', async t => {
  for (const momentum of [0, 0.9]) {
    for (const nesterov of [false, true]) {
      for (const weight_decay of [0, 0.1]) {
        if (nesterov && momentum === 0) continue;
        let [theta, velocity] = [0.8, 0];
        const expected = Array.from({ length: STEPS }, (_, i) => {
          const g = gradientAt(i + 1) * SCALE + weight_decay * theta;
          velocity = momentum * velocity + g;
          theta -= RATE * (nesterov ? g + momentum * velocity : velocity);
          return theta;
        });
        const settings = { momentum, nesterov, weight_decay };
        close(t, byGraph(sgd, settings), expected, JSON.stringify(settings));
      }
    }
  }
});

t.test('Adam', async t => {
  for (const [beta1, beta2] of [
    [0.9, 0.999],
    [0.5, 0.8],
  ]) {
    for (const weight_decay of [0, 0.1]) {
      for (const eps of [1e-8, 0.1]) {
        let [theta, m, v] = [0.8, 0, 0];
        const expected = Array.from({ length: STEPS }, (_, i) => {
          const g = gradientAt(i + 1) * SCALE + weight_decay * theta;
          m = beta1 * m + (1 - beta1) * g;
          v = beta2 * v + (1 - beta2) * g * g;
          const corrected = Math.sqrt(v / (1 - beta2 ** (i + 1)));
          theta -= (RATE * (m / (1 - beta1 ** (i + 1)))) / (corrected + eps);
          return theta;
        });
        const settings = { betas: [beta1, beta2] as const, eps, weight_decay };
        close(t, byGraph(adam, settings), expected, JSON.stringify(settings));
      }
    }
  }
});

t.test('the weight of each prediction in the mean loss', async t => {
  const weight = (loss: LossSettings, outputs: number, label = 0) => lossOf(loss).weight(outputs, label);
  t.equal(weight({ kind: 'cross_entropy' }, 10, 3), 1, 'a row');
  t.equal(weight({ kind: 'cross_entropy', class_weights: [1, 0.5, 2] }, 3, 2), 2, 'the weight of its label');
  for (const kind of ['mse', 'mae', 'huber', 'quantile', 'binary_cross_entropy'] as const)
    t.equal(weight({ kind }, 10), 10, `${kind}: each number`);
});

t.test('initial values are uniform within the bounds of torch.nn.RNNBase and torch.nn.Linear', async t => {
  const spec = modelOf({ cell: 'lstm', hidden_size: 50, num_layers: 2 }, { inputSize: 7, outputSize: 40 });
  const layout = new ParameterLayout(spec);
  const flat = new Float32Array(layout.size);
  layout.initialise(flat, RandomStream.of(3, 'initialise'));
  for (const { name, offset, size } of layout.parameters) {
    const values = flat.subarray(offset, offset + size);
    const bound = 1 / Math.sqrt(50);
    const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    t.ok(most <= bound && most > 0.8 * bound, `${name}: ${most} within ${bound}`);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    t.ok(Math.abs(mean) < (3 * bound) / Math.sqrt(values.length), `${name} has mean ${mean}`);
  }
  const names = layout.parameters.map(({ name, shape }) => `${name} ${shape.join('x')}`);
  const cell = (layer: number, inputs: number) => [
    `lstm.weight_ih_l${layer} 200x${inputs}`,
    `lstm.weight_hh_l${layer} 200x50`,
    `lstm.bias_ih_l${layer} 200`,
    `lstm.bias_hh_l${layer} 200`,
  ];
  t.same(
    names,
    [...cell(0, 7), ...cell(1, 50), 'fc.weight 40x50', 'fc.bias 40'],
    "PyTorch's names and shapes",
  );
});
