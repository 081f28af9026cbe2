/** The graphs of the model against PyTorch in float64, by the ops' references: the mathematics, without any kernel. */
import t from 'tap';
import { interpret } from '../src/graph/interpret.js';
import type { Node } from '../src/graph/node.js';
import { segmentProgram } from '../src/model/programs.js';
import { GOLDENS, golden, relativeError } from './support/goldens.js';

for (const name of GOLDENS) {
  t.test(`float64 model reproduces ${name}`, async t => {
    const { spec, loss, batch, steps, parameters, inputs, values } = golden(name);
    const program = segmentProgram(spec, loss, {
      batch,
      steps,
      carriesState: false,
      variableLength: 'ends' in inputs,
      hasLoss: true,
      gradient: 'from-loss',
    });
    const results = interpret([...program.outputs.values()], { ...parameters, ...inputs });
    const result = (output: string) => results.get(program.outputs.get(output) as Node)?.data as Float64Array;
    const counted = spec.head === 'every' ? steps : 1;
    let total = 0;
    for (let step = 0; step < counted; step++) {
      result(`rows.${step}`).forEach((row, b) => {
        total += row * inputs.weight[step * batch + b];
      });
    }
    // the weights are float32, which bounds the agreement
    t.ok(relativeError([total], values('out.loss')) < 1e-7, 'loss');
    if (counted === 1) t.ok(relativeError(result('prediction.0'), values('out.logits')) < 1e-12, 'logits');
    for (const parameter of Object.keys(parameters)) {
      const expected = values(`grad.${parameter}`);
      if (!program.outputs.has(`gradient.${parameter}`)) {
        t.ok(
          expected.every(value => value === 0),
          `${parameter} has no gradient`,
        );
        continue;
      }
      const error = relativeError(result(`gradient.${parameter}`), expected);
      t.ok(error < 1e-7, `gradient of ${parameter}: ${error}`);
    }
  });
}
