import { described, either, integer, list, number, word } from '../../util/schema.js';
import type { Node } from '../graph/node.js';
import { broadcast, sum } from '../ops/broadcast.js';
import { add, multiply, scale, subtract } from '../ops/elementwise.js';
import { logSumExp } from '../ops/log_sum_exp.js';
import { oneHot } from '../ops/one_hot.js';
import { type Loss, loss } from './loss.js';

export const crossEntropy = loss({
  kind: 'cross_entropy',
  ...described({
    description: 'Mean cross-entropy of class targets, computed from logits, as torch.nn.CrossEntropyLoss.',
    aliases: ['CrossEntropyLoss', 'NLLLoss', 'categorical_crossentropy', 'sparse_categorical_crossentropy'],
    formula:
      'sum_n r_n / sum_n w_{y_n}, where l_nk = log sum_j exp(z_nj) - z_nk, r_n = (1 - s) w_{y_n} l_{n,y_n} + (s / C) sum_k w_k l_nk and s = `label_smoothing`',
    pytorch: 'CrossEntropyLoss',
  }),
  keys: {
    class_weights: either(
      [word(['balanced'], {}), list(number({ above: 0, max: 1e9 }), { minItems: 1, maxItems: 100000 })],
      {
        description:
          'Weight of each class in the mean: a list of positive numbers in the order of the classes (csv labels: numbers by value, words alphabetically, without the ignored label), or `balanced`: N / (K n) for a class with n of the N training labels, where K is the number of classes that occur; a class without training labels has weight 1. The mean divides by the sum of the weights of the labels.',
        examples: ['balanced', [1, 0.5, 2]],
        aliases: ['weight', 'weights', 'class_weight'],
      },
    ),
    label_smoothing: number({
      description: 'Fraction of each target that is distributed evenly over all classes.',
      min: 0,
      below: 1,
      default: 0,
      examples: [0.1],
      aliases: ['smoothing'],
    }),
    ignored_index: integer({
      description:
        'Label to ignore in training and in metrics, such as padding. The label -100 is always ignored.',
      min: -2147483648,
      max: 2147483647,
      default: -100,
      examples: [-1],
      aliases: ['ignore_index', 'padding_index', 'pad_index'],
      effects: ['data'],
    }),
  },
  task: 'classes',
  make({ class_weights: weights, label_smoothing: smoothing = 0 }): Loss {
    return {
      target: 'class',
      targetWidth: () => null,
      ...(weights && { constants: () => ({ weights }) }),
      rows(z, y, constants) {
        const classes = oneHot(y, z.shape[1]);
        const w: Node | undefined = constants.weights && broadcast(constants.weights, z.shape, [1]);
        const total = logSumExp(z);
        const weighted = (x: Node) => (w ? multiply(w, x) : x);
        const chosen = subtract(total, sum(multiply(z, classes), [0]));
        const row = w ? multiply(sum(weighted(classes), [0]), chosen) : chosen;
        if (smoothing === 0) return row;
        const all = sum(weighted(subtract(broadcast(total, z.shape, [0]), z)), [0]);
        return add(scale(row, 1 - smoothing), scale(all, smoothing / z.shape[1]));
      },
      weight: (_outputSize, label) => weights?.[label] ?? 1,
    };
  },
});
