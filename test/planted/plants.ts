/**
 * Errors to be planted one at a time into the compiled program: each must make one of its tests
 * fail.
 */

import { compiler, gradients, kernels } from './computation.js';
import { hardening } from './hardening.js';
import { leaks } from './leaks.js';
import { ownership } from './ownership.js';
import { type Plant, plantsOf } from './plant.js';
import { predictions } from './predictions.js';
import { selection } from './selection.js';

const training = plantsOf({
  'src/math/optimizers/parts': [
    [
      'learningRate / (1 - beta1 ** step)',
      'learningRate / (1 - beta1 ** (step + 1))',
      'the bias correction is a step ahead',
      'mathematics',
    ],
    [
      '1 / Math.sqrt(1 - beta2 ** step)',
      '1 / (1 - beta2 ** step)',
      'the second bias correction has no root',
      'mathematics',
    ],
    [
      'square(gradient), scalars.beta2, scalars.rest2)',
      'square(gradient), scalars.rest2, scalars.rest2)',
      'the square mean takes the wrong rate',
      'mathematics',
    ],
    ['add(gradient, decay)', 'subtract(gradient, decay)', 'weights grow instead of decaying', 'mathematics'],
    [
      'add(direction, multiply(momentum_buffer, scalars.momentum))',
      'add(momentum_buffer, multiply(momentum_buffer, scalars.momentum))',
      "Nesterov's direction has the buffer for the gradient",
      'mathematics',
    ],
    [
      'add(multiply(state.momentum_buffer, scalars.momentum), direction)',
      'multiply(add(state.momentum_buffer, direction), scalars.momentum)',
      'the gradient is damped too',
      'mathematics',
    ],
  ],
  'src/math/schedules/index': [
    'one.update > before && one.update < update',
    'one.update > before',
    'a plateau sees what is measured after the update',
    'schedules',
  ],
  'src/config/schema/experiment': [
    "return optimizer?.schedule?.kind === 'plateau';",
    'return optimizer === undefined;',
    'evaluations seem to change nothing under a plateau schedule',
    'key-effects',
  ],
  'src/math/schedules/plateau': [
    'bad <= patience',
    'bad < patience',
    'a plateau loses its patience an evaluation early',
    'schedules',
  ],
  'src/math/schedules/schedule': [
    'progress.done / updates)',
    '(progress.done + 1) / updates)',
    'a decay is an update ahead',
    'schedules',
  ],
  'src/math/optimizers/program': [
    "scalar('gradient_scale')",
    "scalar('learning_rate')",
    'gradients are not clipped but scaled by the rate',
    'mathematics',
  ],
  'src/train/updater': [
    'most / (norm + CLIP_EPSILON)',
    '(norm + CLIP_EPSILON) / most',
    'short gradients are clipped, long ones are not',
    'engine',
  ],
  'src/math/losses/cross_entropy': [
    ['weights?.[label] ?? 1', '1', 'the mean divides by the number of rows, not by their weights', 'losses'],
    [
      'subtract(total, sum(multiply(z, classes), [0]))',
      'subtract(sum(multiply(z, classes), [0]), total)',
      'the likelihood is minimised',
      'reference',
    ],
  ],
  'src/math/losses/huber': [
    'weight: outputSize => outputSize',
    'weight: () => 1',
    'the mean is over rows, not over numbers',
    'mathematics',
  ],
  'src/math/losses/mse': [
    [
      'multiply(difference, difference)',
      'multiply(difference, z)',
      'the error is weighted with the prediction',
      'reference',
    ],
    [
      'weight: outputSize => outputSize',
      'weight: () => 1',
      'the mean is over rows, not over numbers',
      'mathematics',
    ],
  ],
  'src/math/cells/lstm': [
    [
      'add(multiply(f, states[1]), written)',
      'add(multiply(f, states[0]), written)',
      'the output is remembered in place of the cell',
      'reference',
    ],
    [
      "['sigmoid', 'sigmoid', 'tanh', 'sigmoid']",
      "['sigmoid', 'sigmoid', 'sigmoid', 'tanh']",
      "gates g and o are exchanged (Keras's and ONNX's orders differ)",
      'reference',
    ],
    [
      'spreadBias(norm_hh_bias, input.batch)',
      'spreadBias(bias_hh, input.batch)',
      'a normalised row of zeros is not the bias of its norm',
      'cells',
    ],
  ],
  'src/math/ops/layer_norm': [
    'affine(mean(multiply(centred, centred)), 1, EPSILON)',
    'affine(mean(multiply(centred, centred)), 1, 0)',
    'epsilon is left out',
    'reference',
  ],
  'src/math/cells/gru': [
    ['multiply(r, select(ofState, 2))', 'select(ofState, 2)', 'the state is never reset', 'reference'],
    [': bias;', ': ofInput;', 'the product with a state of zeros is not its bias', 'cells'],
  ],
  'src/math/cells/rnn': [
    '[nonlinearity]',
    "['tanh']",
    'the nonlinearity of the config is not looked at',
    'reference',
  ],
  'src/math/cells/min_gru': [
    'multiply(affine(z, -1, 1), states[0])',
    'multiply(z, states[0])',
    'old and new are weighted alike',
    'reference',
  ],
  'src/math/model/parameters': [
    [
      '(random.uniform() * 2 - 1)',
      '(random.uniform() - 1)',
      'initial values are never positive',
      'mathematics',
    ],
    [
      'const bound = 1 / Math.sqrt(settings.hidden_size);',
      'const bound = 1 / Math.sqrt(inputSize);',
      'initial values have the bound of another layer',
      'mathematics',
    ],
    ['firstColumn += columns;', '', 'both parts of an input have the same columns of a weight', 'reference'],
  ],
  'src/math/model/programs': [
    [
      'sources.push([rows, select(weight, t)]);',
      'sources.push([rows, select(weight, 0)]);',
      "each step has the first step's weights",
      'reference',
    ],
    [
      'if (reverse || !before)',
      'if (!before || before)',
      'states are lost after the end of a sequence',
      'reference',
    ],
  ],
  'src/math/metrics/decisions': [
    'logits[i] > logits[best]',
    'logits[i] >= logits[best]',
    'the last of equal logits is the prediction',
    'metrics',
  ],
  'src/math/model/schedule': [
    [
      'const start = Math.max(0, end - length);',
      'const start = Math.max(1, end - length);',
      'the first step belongs to no block',
      'models',
    ],
    ['chunks.reverse();', '', 'a reverse direction walks its blocks from the start', 'models'],
  ],
  'src/math/model/inputs': [
    'layers[layer].settings.bidirectional || carriesState || isRead',
    'carriesState || isRead',
    'a reverse direction reads what lies after the end of a sequence',
    'reference',
  ],
  'src/math/model/heads': [
    't === length - 1',
    't === length',
    'the head reads the step after the last',
    'reference',
  ],
  'src/math/model/tape': [
    [
      'all[t * size + at] += values[at]',
      'all[t * size + at] = values[at]',
      'what both directions read has the gradient of one',
      'models',
    ],
    [
      'this.cotangents.set(name, place);',
      'if (!this.cotangents.has(name)) this.cotangents.set(name, place);',
      'each block has the cotangents of the last',
      'reference',
    ],
  ],
  'src/math/model/walk': [
    [
      'gradient[offset + i] += part[i]',
      'gradient[offset + i] = part[i]',
      'the last block to run has the whole gradient',
      'models',
    ],
    [
      'gradient[at + i] += rows',
      'gradient[at + i] = rows',
      'a symbol that is read twice has the gradient of one reading',
      'reference',
    ],
  ],
  'src/train/batch': [
    'this.dropout.key(step, inBatch, stream, t)',
    'this.dropout.key(step, row, stream, t)',
    'what is dropped depends on the shard',
    'trainer',
  ],
  'src/train/shards': [
    'state.set(after[name]);',
    '',
    'a batch forgets what the one before carried over',
    'trainer',
  ],
});

const verdicts = plantsOf({
  'src/run/gates': [
    ['if (!Number.isFinite(value))', 'if (Number.isNaN(value))', 'an infinite value is judged', 'gates'],
    [
      'reference - slack : reference + slack',
      'reference + slack : reference - slack',
      'a baseline asks for more than it has',
      'gates',
    ],
    [
      "over !== 'seeds' && verdict !== 'passed'",
      "over !== 'seeds' && verdict === 'failed'",
      'a gate without a verdict lets a run pass',
      'gates',
    ],
  ],
  'src/run/baseline': [
    'squares / (values.length - 1)',
    'squares / values.length',
    'the spread is that of a population',
    'review',
  ],
  'src/judge/noise': [
    'spread * Math.sqrt(1 + 1 / n)',
    'spread * Math.sqrt(1 / n)',
    'a new observation has no noise of its own',
    'review',
  ],
  'src/judge/statistics': ['df / 2, 0.5) / 2', 'df / 2, 0.5)', 'the test is two-sided', 'review'],
  'src/judge/judging/run-facts': [
    "if (state === 'completed')",
    "if (state === 'completed' || state === 'interrupted')",
    'an interrupted run may pass',
    'review',
  ],
});

const reports = plantsOf({
  'src/view/html': [
    "json.replaceAll('<', '\\\\u003c')",
    'json',
    'a text of the run can end the element that holds the data',
    'report-page',
  ],
  'src/view/run-report': [
    'canonical(usual) !== canonical(value)',
    'canonical(usual) === canonical(value)',
    'the defaults are shown as what differs from them',
    'report-page',
  ],
  'src/view/sweep-report': [
    "kind === 'log_uniform'",
    "kind === 'uniform'",
    'the axis of a logarithmic parameter is linear',
    'report-page',
  ],
});

export const plants: readonly Plant[] = [
  ...gradients,
  ...kernels,
  ...compiler,
  ...training,
  ...leaks,
  ...ownership,
  ...hardening,
  ...selection,
  ...predictions,
  ...verdicts,
  ...reports,
];
