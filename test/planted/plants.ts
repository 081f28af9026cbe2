/** Errors to be planted one at a time into the compiled program: each must make one of its tests fail. */

/** The test files that may catch a plant: test/NAME.test.ts. */
export type TestName =
  | 'engine'
  | 'gates'
  | 'lint'
  | 'mathematics'
  | 'model'
  | 'ops'
  | 'report-page'
  | 'review'
  | 'segments'
  | 'simd';

export interface Plant {
  /** Compiled file below the build folder, without its ending. */
  readonly file: string;
  /** Text that stands in it exactly once, and what is put in its place. */
  readonly find: string;
  readonly replace: string;
  /** What is wrong then. */
  readonly why: string;
  /** Run in this order until one fails. */
  readonly tests: readonly TestName[];
}

const gradients: readonly Plant[] = [
  {
    file: 'src/ops/subtract',
    find: 'scale(cotangent, -1)',
    replace: 'scale(cotangent, 1)',
    why: 'd(a - b)/db has the wrong sign',
    tests: ['ops'],
  },
  {
    file: 'src/ops/multiply',
    find: '[multiply(cotangent, b), multiply(cotangent, a)]',
    replace: '[multiply(cotangent, a), multiply(cotangent, b)]',
    why: 'the factors of a product are not exchanged',
    tests: ['ops'],
  },
  {
    file: 'src/ops/divide',
    find: 'scale(multiply(overB, node), -1)',
    replace: 'scale(multiply(overB, node), 1)',
    why: 'd(a / b)/db has the wrong sign',
    tests: ['ops'],
  },
  {
    file: 'src/ops/square_root',
    find: 'scale(divide(cotangent, node), 0.5)',
    replace: 'scale(divide(cotangent, node), 2)',
    why: 'the root is halved the wrong way',
    tests: ['ops'],
  },
  {
    file: 'src/ops/exponential',
    find: 'multiply(cotangent, node)',
    replace: 'multiply(cotangent, node.inputs[0])',
    why: 'x stands for e^x',
    tests: ['ops'],
  },
  {
    file: 'src/ops/activate',
    find: 'slope: [1, 0, -1]',
    replace: 'slope: [1, 0, 1]',
    why: "tanh' is 1 + y^2",
    tests: ['ops'],
  },
  {
    file: 'src/ops/activate',
    find: 'slope: [0, 1, -1]',
    replace: 'slope: [0, 1, 1]',
    why: "sigmoid' is y (1 + y)",
    tests: ['ops'],
  },
  {
    file: 'src/ops/polynomial',
    find: 'coefficient * (i + 1)',
    replace: 'coefficient * i',
    why: 'the exponent of the derivative is off by one',
    tests: ['ops'],
  },
  {
    file: 'src/ops/select',
    find: 'stack([cotangent], [attributes.position], x.shape[0])',
    replace: 'stack([cotangent], [0], x.shape[0])',
    why: 'the cotangent of a slice goes to the first',
    tests: ['ops'],
  },
  {
    file: 'src/ops/stack',
    find: 'positions.map(at => select(cotangent, at))',
    replace: 'positions.map((_at, i) => select(cotangent, i))',
    why: 'the number of a part stands for its position',
    tests: ['ops'],
  },
  {
    file: 'src/ops/transpose',
    find: '[transpose(cotangent, inverse(axes))]',
    replace: '[transpose(cotangent, axes)]',
    why: 'the order of axes is not inverted (right for two axes)',
    tests: ['ops'],
  },
  {
    file: 'src/ops/contract',
    find: ', cotangent, y), contract(',
    replace: ', cotangent, x), contract(',
    why: 'the wrong operand is contracted (same shapes often)',
    tests: ['ops'],
  },
  {
    file: 'src/ops/log_sum_exp',
    find: 'multiply(softmax, broadcast(cotangent, x.shape, axes))',
    replace: 'softmax',
    why: 'the cotangent is forgotten',
    tests: ['ops'],
  },
  {
    file: 'src/ops/index',
    find: 'if (positions.length === 0 || positions.some(at => parts.has(at)))',
    replace: 'if (positions.length === 0)',
    why: 'two cotangents of one slice become one',
    tests: ['ops'],
  },
  {
    file: 'src/graph/differentiate',
    find: 'list.push(cotangent);',
    replace: 'list[0] = cotangent;',
    why: 'of several readers only one gives a cotangent',
    tests: ['ops'],
  },
  {
    file: 'src/graph/differentiate',
    find: 'node.inputs.some(input => found.has(input))',
    replace: 'found.has(node.inputs[0])',
    why: 'only the first input is looked at for dependence',
    tests: ['ops', 'model'],
  },
  {
    file: 'src/graph/node',
    find: "JSON.stringify(attributes) ?? ''",
    replace: "''",
    why: 'nodes that differ in attributes become one',
    tests: ['ops'],
  },
];

const kernels: readonly Plant[] = [
  {
    file: 'src/ops/activate',
    find: 'Math.exp(-$',
    replace: 'Math.exp($',
    why: 'sigmoid of -x',
    tests: ['ops'],
  },
  {
    file: 'src/ops/activate',
    find: ', 10), -10))',
    replace: ', 8), -1))',
    why: 'tanh is clamped where it still changes',
    tests: ['ops'],
  },
  {
    file: 'src/ops/polynomial',
    find: 'while (--degree > 0)',
    replace: 'while (--degree > 1)',
    why: 'one coefficient is left out',
    tests: ['ops'],
  },
  {
    file: 'src/ops/select',
    find: 'writer.parameter(position)',
    replace: 'writer.parameter(Math.max(position - 1, 0))',
    why: 'the neighbouring slice is read',
    tests: ['ops'],
  },
  {
    file: 'src/ops/stack',
    find: 'inputs[positions.indexOf(at)]',
    replace: 'inputs[at]',
    why: 'parts are stacked without gaps',
    tests: ['ops'],
  },
  {
    file: 'src/ops/sum',
    find: 'index[keep.indexOf(axis)]',
    replace: 'index[Math.min(axis, keep.length - 1)]',
    why: "the input's axis stands for the result's",
    tests: ['ops'],
  },
  {
    file: 'src/ops/transpose',
    find: 'x(inverse(axes).map(at => index[at]))',
    replace: 'x(axes.map(at => index[at]))',
    why: 'the order of axes is not inverted',
    tests: ['ops'],
  },
  {
    file: 'src/ops/transpose',
    find: 'axes.map(axis => before[axis])',
    replace: 'before.map(axis => axes[axis])',
    why: 'two orders are composed the wrong way round',
    tests: ['ops'],
  },
  {
    file: 'src/ops/broadcast',
    find: 'x(axes.map(axis => index[axis]))',
    replace: 'x(axes.map((_axis, i) => index[i]))',
    why: 'the input lies along the first axes',
    tests: ['ops'],
  },
  {
    file: 'src/ops/one_hot',
    find: 'Math.max(1 - Math.abs(',
    replace: 'Math.max(2 - Math.abs(',
    why: 'neighbouring classes count too',
    tests: ['ops'],
  },
  {
    file: 'src/ops/log_sum_exp',
    find: '])} - $',
    replace: '])}) / Math.exp($',
    why: 'exponentials of large values overflow',
    tests: ['ops'],
  },
  {
    file: 'src/engine/source',
    find: 'this.loop(extent, 1, variable',
    replace: 'this.loop(extent, 2, variable',
    why: 'a maximum passes over the second value',
    tests: ['ops'],
  },
  {
    file: 'src/engine/source',
    find: 'this.variables = end;',
    replace: 'this.variables = start;',
    why: 'names of a branch are given again after it',
    tests: ['ops'],
  },
  {
    file: 'src/engine/source',
    find: 'index.join()',
    replace: "''",
    why: 'a fused value at one index stands for it at another',
    tests: ['ops'],
  },
  {
    file: 'src/engine/fuse',
    find: 'MAX_ARRAY_ARGUMENTS = 7',
    replace: 'MAX_ARRAY_ARGUMENTS = 8',
    why: 'a kernel reads one array more than WebGPU guarantees',
    tests: ['ops'],
  },
  {
    file: 'src/engine/fuse',
    find: 'nodes.filter(node => node.op && !inlined.has(node))',
    replace: 'nodes.filter(node => node.op && !inlined.has(node)).reverse()',
    why: 'kernels run before what they read',
    tests: ['ops'],
  },
  {
    file: 'src/engine/plan',
    find: "node.shape.join('x')",
    replace: "''",
    why: 'kernels of other outputs become one',
    tests: ['ops'],
  },
  {
    file: 'src/engine/language/lint',
    find: 'high >= shape[axis]',
    replace: 'high > shape[axis]',
    why: 'the lint lets a read pass that is one beyond the end',
    tests: ['lint'],
  },
  {
    file: 'src/engine/language/lint',
    find: 'high: to - 1, integer: true',
    replace: 'high: to - 2, integer: true',
    why: 'the lint forgets the last round of a loop',
    tests: ['lint'],
  },
];

const compiler: readonly Plant[] = [
  {
    file: 'src/engine/simd/tile-code',
    find: 'place.row * extents.x * FLOAT_BYTES',
    replace: 'place.row * (extents.x + 1) * FLOAT_BYTES',
    why: 'rows of a tile are stored one cell too far',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/tile-code',
    find: 'lane < lanes; lane++',
    replace: 'lane < LANES; lane++',
    why: 'the end of a row is stored over the next, or over a neighbour',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/values',
    find: '[0, x, 2 * x, 3 * x]',
    replace: '[0, x, 2 * x, 2 * x]',
    why: 'the last lane has the integers of the one before',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/values',
    find: 'lane * along * FLOAT_BYTES',
    replace: 'lane * FLOAT_BYTES',
    why: 'strided reads are contiguous',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/tile-code',
    find: "['z', extents.x * extents.y]",
    replace: "['z', extents.x]",
    why: 'slices of the output overlap',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/tile-code',
    find: "this.f.op('i32.or');",
    replace: "this.f.op('i32.add').op('i32.eq').i32(0).op('i32.or');",
    why: 'a case of several numbers is malformed',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/pointers',
    find: '.i32(from * step)',
    replace: '.i32(0)',
    why: 'loops that begin above zero read from the first element',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/values',
    find: 'y ? row : 0',
    replace: '0',
    why: 'all rows of a tile take what was loaded for the first',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/tile',
    find: 'const larger = extent - count * least;',
    replace: 'const larger = count;',
    why: 'pieces reach beyond the extent',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/tile',
    find: 'if (extent % LANES === 0)',
    replace: 'if (extent >= 0)',
    why: 'a last vector that is not whole is stored whole',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/contract',
    find: "operation === 'subtract', varies)",
    replace: 'false, varies)',
    why: 'a product is added where it is to be taken away',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/functions',
    find: ".op('f32x4.mul').op('f32x4.neg')",
    replace: ".op('f32x4.mul')",
    why: 'separate arithmetic adds a product where it is to be taken away',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/functions',
    find: "f.op('f32x4.relaxed_nmadd')",
    replace: "f.op('f32x4.relaxed_madd')",
    why: 'fused arithmetic adds a product where it is to be taken away',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/tile',
    find: "if (branchesAlong(ir.body, 'y'))",
    replace: "if (branchesAlong(ir.body, 'z'))",
    why: 'all rows of a tile take the branch of the first',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/compile',
    find: '.i32(x * y)',
    replace: '.i32(y)',
    why: 'a part of a run is in the wrong slice',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/pack',
    find: 'constant -= from * stride;',
    replace: '',
    why: 'packed columns are read from where the loop begins',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/pack',
    find: 'next += bytes;',
    replace: 'next += bytes - 16;',
    why: 'packed columns overlap',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/lower',
    find: 'JSON.stringify(this.locals) === before',
    replace: 'true',
    why: 'what a loop adds is not known to vary',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/lower',
    find: 'stride *= place.dims[axis];',
    replace: 'stride *= place.dims[place.dims.length - 1 - axis];',
    why: 'the axes of an array are taken in the wrong order',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/functions',
    find: '0.16666576646360912',
    replace: '0.1666576646360912',
    why: 'a digit of a coefficient of e^x is lost',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/functions',
    find: 'const EXP_MOST = 89;',
    replace: 'const EXP_MOST = 88;',
    why: 'e^x saturates before float32 does',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/functions',
    find: 'f.get(x).bits(0x80000000)',
    replace: 'f.get(d).bits(0x80000000)',
    why: 'tanh is never negative',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/functions',
    find: 'const TANH_BEND = 0.625;',
    replace: 'const TANH_BEND = 0.825;',
    why: 'the polynomial of tanh is used beyond its fit',
    tests: ['simd'],
  },
  {
    file: 'src/engine/simd/functions',
    find: 'f.float(MANTISSA_BITS).get(x)',
    replace: 'f.float(MANTISSA_BITS - 1).get(x)',
    why: 'logarithms of subnormal numbers are off by ln 2',
    tests: ['simd'],
  },
];

const training: readonly Plant[] = [
  {
    file: 'src/optimizers/adam',
    find: 'learningRate / (1 - beta1 ** step)',
    replace: 'learningRate / (1 - beta1 ** (step + 1))',
    why: 'the bias correction is a step ahead',
    tests: ['mathematics'],
  },
  {
    file: 'src/optimizers/adam',
    find: '1 / Math.sqrt(1 - beta2 ** step)',
    replace: '1 / (1 - beta2 ** step)',
    why: 'the second bias correction has no root',
    tests: ['mathematics'],
  },
  {
    file: 'src/optimizers/adam',
    find: 'add(gradient, multiply(parameter, scalars.weight_decay))',
    replace: 'subtract(gradient, multiply(parameter, scalars.weight_decay))',
    why: 'weights grow instead of decaying',
    tests: ['mathematics'],
  },
  {
    file: 'src/optimizers/adam',
    find: 'multiply(multiply(g, g), scalars.rest2)',
    replace: 'multiply(multiply(g, g), scalars.rest1)',
    why: 'the square mean takes the wrong rate',
    tests: ['mathematics'],
  },
  {
    file: 'src/optimizers/sgd',
    find: 'add(g, multiply(momentum_buffer, scalars.momentum))',
    replace: 'add(momentum_buffer, multiply(momentum_buffer, scalars.momentum))',
    why: "Nesterov's direction has the buffer for the gradient",
    tests: ['mathematics'],
  },
  {
    file: 'src/optimizers/sgd',
    find: 'add(multiply(state.momentum_buffer, scalars.momentum), g)',
    replace: 'multiply(add(state.momentum_buffer, g), scalars.momentum)',
    why: 'the gradient is damped too',
    tests: ['mathematics'],
  },
  {
    file: 'src/optimizers/program',
    find: "scalar('gradient_scale')",
    replace: "scalar('learning_rate')",
    why: 'gradients are not clipped but scaled by the rate',
    tests: ['mathematics'],
  },
  {
    file: 'src/training/updater',
    find: 'most / (norm + CLIP_EPSILON)',
    replace: '(norm + CLIP_EPSILON) / most',
    why: 'short gradients are clipped, long ones are not',
    tests: ['engine'],
  },
  {
    file: 'src/losses/cross_entropy',
    find: 'subtract(logSumExp(z), chosen)',
    replace: 'subtract(chosen, logSumExp(z))',
    why: 'the likelihood is minimised',
    tests: ['model'],
  },
  {
    file: 'src/losses/cross_entropy',
    find: 'values[i] > values[best]',
    replace: 'values[i] >= values[best]',
    why: 'the last of equal logits is the prediction',
    tests: ['mathematics'],
  },
  {
    file: 'src/losses/mse',
    find: '1 / (count * size)',
    replace: '1 / count',
    why: 'the mean is over rows, not over numbers',
    tests: ['mathematics'],
  },
  {
    file: 'src/losses/mse',
    find: 'multiply(difference, difference)',
    replace: 'multiply(difference, z)',
    why: 'the error is weighted with the prediction',
    tests: ['model'],
  },
  {
    file: 'src/cells/lstm',
    find: 'add(multiply(f, states[1]), written)',
    replace: 'add(multiply(f, states[0]), written)',
    why: 'the output is remembered in place of the cell',
    tests: ['model'],
  },
  {
    file: 'src/cells/lstm',
    find: "['sigmoid', 'sigmoid', 'tanh', 'sigmoid']",
    replace: "['sigmoid', 'sigmoid', 'sigmoid', 'tanh']",
    why: "gates g and o are exchanged (Keras's and ONNX's orders differ)",
    tests: ['model'],
  },
  {
    file: 'src/model/parameters',
    find: 'const bound = 1 / Math.sqrt(hiddenSize);',
    replace: 'const bound = 1 / Math.sqrt(outputSize);',
    why: 'initial values have the bound of another layer',
    tests: ['mathematics'],
  },
  {
    file: 'src/model/parameters',
    find: '(random.uniform() * 2 - 1)',
    replace: '(random.uniform() - 1)',
    why: 'initial values are never positive',
    tests: ['mathematics'],
  },
  {
    file: 'src/model/programs',
    find: 'sources.push([rows, select(weight, t)]);',
    replace: 'sources.push([rows, select(weight, 0)]);',
    why: "each step has the first step's weights",
    tests: ['model'],
  },
  {
    file: 'src/model/programs',
    find: 'initial?.slice(layer * perLayer, (layer + 1) * perLayer)',
    replace: 'initial?.slice(0, perLayer)',
    why: 'each layer begins with the states of the first',
    tests: ['segments'],
  },
  {
    file: 'src/model/programs',
    find: 'void sources.push([states[i], cotangent])',
    replace: 'void sources.push([states[0], cotangent])',
    why: 'cotangents of all states go to the first',
    tests: ['segments'],
  },
  {
    file: 'src/model/segments',
    find: 'const start = Math.max(0, end - steps);',
    replace: 'const start = Math.max(1, end - steps);',
    why: 'the first step belongs to no segment',
    tests: ['segments'],
  },
  {
    file: 'src/training/shard',
    find: 'cotangents = pick(',
    replace: 'cotangents ??= pick(',
    why: "each segment has the last one's cotangents",
    tests: ['segments'],
  },
  {
    file: 'src/training/shard',
    find: 'gradient[offset + i] += part[i];',
    replace: 'gradient[offset + i] = part[i];',
    why: 'the last segment to run has the whole gradient',
    tests: ['segments'],
  },
];

const verdicts: readonly Plant[] = [
  {
    file: 'src/experiment/gates',
    find: 'if (!Number.isFinite(value))',
    replace: 'if (Number.isNaN(value))',
    why: 'an infinite value is judged',
    tests: ['gates'],
  },
  {
    file: 'src/experiment/gates',
    find: 'reference - slack : reference + slack',
    replace: 'reference + slack : reference - slack',
    why: 'a baseline asks for more than it has',
    tests: ['gates'],
  },
  {
    file: 'src/experiment/gates',
    find: "over !== 'seeds' && verdict !== 'passed'",
    replace: "over !== 'seeds' && verdict === 'failed'",
    why: 'a gate without a verdict lets a run pass',
    tests: ['gates'],
  },
  {
    file: 'src/experiment/baseline',
    find: 'squares / (values.length - 1)',
    replace: 'squares / values.length',
    why: 'the spread is that of a population',
    tests: ['review'],
  },
  {
    file: 'src/review/noise',
    find: 'spread * Math.sqrt(1 + 1 / n)',
    replace: 'spread * Math.sqrt(1 / n)',
    why: 'a new observation has no noise of its own',
    tests: ['review'],
  },
  {
    file: 'src/review/student-t',
    find: 'df / 2, 0.5) / 2',
    replace: 'df / 2, 0.5)',
    why: 'the test is two-sided',
    tests: ['review'],
  },
  {
    file: 'src/review/run-facts',
    find: "if (state === 'completed')",
    replace: "if (state === 'completed' || state === 'interrupted')",
    why: 'an interrupted run may pass',
    tests: ['review'],
  },
];

const reports: readonly Plant[] = [
  {
    file: 'src/report/html',
    find: "json.replaceAll('<', '\\\\u003c')",
    replace: 'json',
    why: 'a text of the run can end the element that holds the data',
    tests: ['report-page'],
  },
  {
    file: 'src/report/config-values',
    find: 'canonical(usual) !== canonical(value)',
    replace: 'canonical(usual) === canonical(value)',
    why: 'the defaults are shown as what differs from them',
    tests: ['report-page'],
  },
  {
    file: 'src/report/sweep-report',
    find: "kind === 'log_uniform'",
    replace: "kind === 'uniform'",
    why: 'the axis of a logarithmic parameter is linear',
    tests: ['report-page'],
  },
];

export const plants: readonly Plant[] = [
  ...gradients,
  ...kernels,
  ...compiler,
  ...training,
  ...verdicts,
  ...reports,
];
