/**
 * Every kind of model in float64, by the references of the ops, against PyTorch: the mathematics,
 * without any kernel.
 */
import '../support/quick.js';
import t from 'tap';
import { ParameterLayout } from '../../src/math/model/parameters.js';
import { readRows, referenceOf } from '../../src/verify/gradients.js';
import { GOLDENS, golden, relativeError } from '../support/goldens.js';
import { goldenShard, initialParameters } from '../support/shards.js';

t.test('the float64 reference has the loss and the gradient of PyTorch', async t => {
  for (const name of GOLDENS.filter(name => !golden(name).spec.carriesState)) {
    const expected = golden(name);
    const { spec, loss, batch, values } = expected;
    const layout = new ParameterLayout(spec);
    const flat = Float64Array.from(initialParameters(expected).subarray(0, layout.size));
    const { job, batches } = goldenShard(expected, 'cpu', true);
    const rows = Array.from({ length: batch }, (_, row) => row);
    const given = readRows({ ...job, shards: [batches[0].batch] }, rows);
    for (const [how, maxCellSteps] of [
      ['whole', undefined],
      ['step by step', 1],
    ] as const) {
      const reference = referenceOf(spec, loss, given, maxCellSteps);
      const { loss: found, gradient } = await reference.gradientAt(flat);
      const [torch] = values('out.loss');
      // weights such as 1/3 are given in float32
      t.ok(Math.abs(found / torch - 1) < 1e-7, `${name} ${how}: the loss`);
      t.ok(Math.abs((await reference.lossAt(flat)) / torch - 1) < 1e-7, `${name} ${how}: the loss alone`);
      for (const parameter of layout.parameters) {
        const own = layout.read(parameter, gradient);
        const error = relativeError(own, values(`grad.${parameter.name}`));
        t.ok(error < 1e-6, `${name} ${how}: ${parameter.name} ${error}`);
      }
    }
  }
});
